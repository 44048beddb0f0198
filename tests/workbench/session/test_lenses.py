"""The Jacobian lens of a session: given, kept, and read through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.cases.session_cases import new_session
from workbench.errors import WorkbenchError
from workbench.readouts.catalogue import read_out
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.files import save_lens
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.session.readouts import OWN_LENS
from workbench.session.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(tmp_path)


def lens_for(session: Session, scale: float) -> JacobianLens:
    width = session.loaded_model.parts.d_model
    return JacobianLens({1: scale * torch.eye(width), 2: scale * torch.eye(width)}, width, 4)


def test_readouts_are_read_through_the_sessions_lens(session: Session, tmp_path: Path) -> None:
    experiment = session._engine.experiment
    with pytest.raises(WorkbenchError, match="No Jacobian lens of"):
        session.readouts.result("jacobian", "m0")
    lens = lens_for(session, 2.0)
    save_lens(lens, tmp_path / "lens.pt")
    assert session.readouts.use_jacobian(tmp_path / "lens.pt") == (
        "Jacobian lens, mean over 4 prompts"
    )
    assert session.readouts.jacobian_from == str(tmp_path / "lens.pt")
    found = session.readouts.result("jacobian", "m0", pair=1)
    assert found == read_out(experiment, "jacobian", "m0", pair=1, through=lens)
    assert session.readouts.lens("m0", pair=1, through=True) == found
    plain = session.readouts.lens("m0", pair=1)
    assert plain.lens == "Logit lens" and plain != found
    doubled = [2 * token.value for token in plain.promoted]
    assert [token.value for token in found.promoted] == pytest.approx(doubled, rel=1e-4)
    for name in ("residual", "map", "ranks"):
        of = session.readouts.read(name, pair=1, through=True)
        assert "Jacobian lens" in of.definition
    circuit = InCircuit(session.circuit)
    beside = session.readouts.result("beside", "m0", run="circuit", through=True)
    assert beside == read_out(experiment, "beside", "m0", run=circuit, through=lens)


def test_another_models_lens_is_refused_and_the_old_one_stays(
    session: Session, tmp_path: Path
) -> None:
    session.readouts.use_jacobian(lens_for(session, 1.0))
    assert session.readouts.jacobian_from == "a script"
    before = session.readouts.jacobian
    wrong = JacobianLens({1: torch.eye(3)}, 3, 1)
    with pytest.raises(WorkbenchError, match="of another model, one of width 3"):
        session.readouts.use_jacobian(wrong)
    with pytest.raises(WorkbenchError, match="There is no file"):
        session.readouts.use_jacobian(tmp_path / "none.pt")
    assert session.readouts.jacobian is before
    with pytest.raises(WorkbenchError, match="No Jacobian lens of"):
        session.readouts.use_jacobian(None)
    assert session.readouts.jacobian is before and session.readouts.jacobian_from != OWN_LENS
