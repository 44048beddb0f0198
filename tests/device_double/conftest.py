"""These tests need a release of torch that takes a device made in Python."""

from __future__ import annotations

from torch.utils import backend_registration

WAY = "_setup_privateuseone_for_python_backend"

collect_ignore_glob = [] if hasattr(backend_registration, WAY) else ["test_*.py"]

if not collect_ignore_glob:
    # Before anything computes a gradient: torch counts the devices for it once in a process.
    from tests.support.device_double.tensors import registered

    registered()
