"""The strip of a training: its bars are each checkpoint's own, and a key goes to another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from screens.app import WorkbenchApp
from screens.bench.checkpoint_dialog import CheckpointDialog, told
from screens.bench.screen import BenchScreen
from screens.bench.training_strip import TrainingStrip
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_models import tiny_gpt2
from tests.support.tiny_sessions import tiny_session, until
from workbench import evaluate, load_model, start_session
from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.sequence import Checkpoint
from workbench.session.session import Session
from workbench.session.training import follow_training, training_of

STEPS = (0, 20, 100)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    for step in STEPS:
        hf, tokenizer = tiny_gpt2(layers=1, heads=2, seed=step)
        hf.save_pretrained(folder / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / f"checkpoint-{step}")
    return folder


@pytest.fixture
def session(runs: Path, tmp_path: Path) -> Session:
    made = start_session(
        str(runs / "checkpoint-20"), "ioi", pairs=3, device="cpu", journal=tmp_path / "j.jsonl"
    )
    assert follow_training(made, runs) is not None
    return made


def strip(app: WorkbenchApp) -> TrainingStrip:
    assert isinstance(app.screen, BenchScreen)
    return app.screen.query_one(TrainingStrip)


async def known(pilot: Pilot[None], app: WorkbenchApp) -> dict[int, AtCheckpoint]:
    await until(pilot, lambda: isinstance(app.screen, BenchScreen) and strip(app).idle)
    return {one.step or 0: row for one, row in strip(app).rows.items()}


async def test_a_toast_lies_over_none_of_it(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await known(pilot, app)
        app.notify("Some words.", timeout=60)
        await until(pilot, lambda: bool(app.screen.query("Toast")))
        await pilot.pause()
        status = app.screen.query_one("#status").region
        assert all(toast.region.bottom <= status.y for toast in app.screen.query("Toast"))


async def test_the_strip_follows_the_circuit(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        before = await known(pilot, app)
        assert "2 of 3: step 20" in screen_text(app) and "' another" in screen_text(app)
        for edits in (lambda: session.expand("logits", keep=["a0.h1->logits"]), session.undo):
            app.screen.command(edits)  # type: ignore[attr-defined]
            await until(pilot, lambda: strip(app).old)  # so it is told of the circuit before
            await settled(pilot)
            rows = await known(pilot, app)
            assert sorted(rows) == list(STEPS)
            for row in rows.values():
                alone = evaluate(
                    load_model(row.checkpoint.model, device="cpu"), "ioi", session.circuit, pairs=3
                )
                assert row.circuit == pytest.approx(alone.circuit, rel=1e-5)
        assert {step: row.circuit for step, row in rows.items()} == pytest.approx(
            {step: row.circuit for step, row in before.items()}
        )


async def test_a_key_takes_the_circuit_to_another_checkpoint(session: Session) -> None:
    session.expand("logits", keep=["a0.h1->logits"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await known(pilot, app)
        await pilot.press("apostrophe")
        await until(pilot, lambda: isinstance(app.screen, CheckpointDialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: app.left is not None and app.left is not session)
        other = app.left
        assert other is not None and other.settings.model.endswith("checkpoint-100")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        await settled(pilot)
        assert other.circuit.edges() == session.circuit.edges() == ["a0.h1->logits"]
        assert other.commands() == ["Loaded the circuit at checkpoint-20."]
        assert session.is_open and len(session.commands()) == 1
        rows = await known(pilot, app)
        assert "3 of 3: step 100" in screen_text(app)
        status = other.status()
        assert rows[100].circuit == status.circuit_metric
        # A click on a bar goes there; the session that is open on it is shown.
        other.drop_all("logits")
        await pilot.click(TrainingStrip, offset=(12, 0))
        await until(pilot, lambda: app.left is session)
        await until(pilot, lambda: session.circuit.edges() == [])
        session.undo()
        assert session.circuit.edges() == ["a0.h1->logits"]


async def test_without_a_training_there_is_no_strip_and_the_key_says_how(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert not strip(app).display and strip(app).idle
        await pilot.press("apostrophe")
        await until(
            pilot, lambda: any("on no training" in note.message for note in app._notifications)
        )


async def test_the_app_opens_on_a_training(runs: Path) -> None:
    from workbench.checkpoints.sequence import read_checkpoints
    from workbench.experiment.settings import ExperimentSettings

    settings = ExperimentSettings(str(runs / "checkpoint-0"), "ioi", pairs=3, device="cpu")
    app = WorkbenchApp(settings)
    app.checkpoints = read_checkpoints(runs)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        assert app.left is not None
        followed = training_of(app.left)
        assert followed is not None and followed.present.step == 0
        assert len(await known(pilot, app)) == 3


def test_what_the_dialog_tells() -> None:
    here = Checkpoint("m", step=1)
    assert told(None) == "Not computed yet."
    assert told(AtCheckpoint(here, reason="It is [bold]damaged.")) == "It is [bold]damaged."
    row = AtCheckpoint(here, "logit_diff", 3, 2.0, 0.5, 0.9, 1.7, 0.8)
    assert "faithfulness 0.8" in told(row) and "noise" not in told(row)
    assert "noise" in told(AtCheckpoint(here, "logit_diff", 3, 2.0, 0.5, 0.4, 1.7, 0.8))
