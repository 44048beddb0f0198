"""Which tests are asked about the faults of which file."""

from __future__ import annotations

ENGINE = ("tests/workbench/engine",)
ROLES = (
    *ENGINE,
    "tests/workbench/circuits/test_edge_roles.py",
    "tests/workbench/circuits/test_parts.py",
    "tests/workbench/discovery/test_by_role.py",
    "tests/workbench/discovery/methods/test_searches_by_role.py",
    "tests/workbench/session/test_edges_at_roles.py",
    "tests/workbench/assessment/test_by_role.py",
)
SESSION = (
    "tests/workbench/session/test_journal.py",
    "tests/workbench/session/journals",
    "tests/workbench/session/test_resume.py",
    "tests/workbench/session/test_take_over.py",
)
SELECTION = (
    "tests/workbench/circuits/test_selection.py",
    "tests/workbench/discovery/test_selection.py",
)

TESTS_OF: dict[str, tuple[str, ...]] = {
    "workbench/engine/incremental.py": ENGINE,
    "workbench/engine/evaluator.py": ENGINE,
    "workbench/engine/plan.py": ENGINE,
    "workbench/engine/kept_edges.py": ROLES,
    "workbench/engine/live_positions.py": ROLES,
    "workbench/engine/role_rows.py": ROLES,
    "workbench/engine/reach.py": ENGINE,
    "workbench/engine/deltas.py": ENGINE,
    "workbench/engine/carry.py": ENGINE,
    "workbench/engine/live_rows.py": ROLES,
    "workbench/engine/role_run.py": ROLES,
    "workbench/engine/alternatives.py": ENGINE,
    "workbench/session/journal.py": SESSION,
    "workbench/circuits/selection.py": SELECTION,
    "workbench/discovery/selection.py": (*SELECTION, "tests/workbench/discovery/test_run.py"),
    "workbench/metrics/metric.py": (
        "tests/workbench/metrics",
        "tests/workbench/engine/test_evaluator.py",
    ),
    "workbench/metrics/catalogue.py": (
        "tests/workbench/metrics",
        "tests/workbench/discovery/methods",
        "tests/workbench/session/test_session.py",
    ),
}
"""The core files, and the tests that are about them; none of those marked slow."""
