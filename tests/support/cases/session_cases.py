"""Sessions on tiny random models, for the tests of sessions and of what they are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from tasks import make_task
from tasks.task import Task
from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.base.progress import silent
from workbench.circuits.circuit import Circuit
from workbench.circuits.parts import on_prompts
from workbench.engine.evaluator import Evaluator
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model
from workbench.session.open import Opened, open_engine
from workbench.session.session import Session
from workbench.session.start import begin
from workbench.session.views import Status

FAMILIES = {
    "gpt2": lambda: tiny_gpt2(layers=3, heads=2),
    "llama": lambda: tiny_llama(layers=2, heads=4, n_kv_heads=2),
    "neox": lambda: tiny_neox(layers=2, heads=2),
}


@cache
def tiny(family: str = "gpt2") -> tuple[Model, Task]:
    hf, tokenizer = FAMILIES[family]()
    model = Model.from_hf(hf, tokenizer, name=f"tiny {family}")
    return model, make_task("ioi", tokenizer, 6, 0)


def new_session(folder: Path, family: str = "gpt2", name: str = "journal.jsonl") -> Session:
    """A session at its start. Sessions of a family share their recorded runs, which none alters."""
    opened = ready(family)
    # A session before this one may have left the engine at other pairs.
    opened.engine.use(opened.runs.batch, opened.runs.experiment)
    return begin(opened, folder / name)


@cache
def ready(family: str = "gpt2") -> Opened:
    model, task = tiny(family)
    return open_engine(model, task, ExperimentSettings(model.name, task.name), silent)


def fresh_metric(session: Session, circuit: Circuit | None = None) -> float:
    """The circuit's metric by an evaluator that has seen no edit."""
    circuit = session.circuit if circuit is None else circuit
    experiment = fresh_experiment(session)
    return Evaluator(experiment, on_prompts(circuit, experiment.batch.roles.names)).value().metric


def fresh_experiment(session: Session) -> Experiment:
    """The pairs that are in use, run anew."""
    task = replace(session._opened.task, pairs=session.pairs.in_use)
    if task == session._opened.task:
        return session._opened.runs.experiment
    return prepare(session.loaded_model, task, session.settings)


def expand_all(session: Session, limit: int = 1000) -> Status:
    """Step backward until nothing is open."""
    while (frontier := session.frontier()) and limit:
        session.expand(frontier[0])
        limit -= 1
    return session.status()


def same(one: Session, other: Session) -> bool:
    """Circuit, words, threshold and pairs agree."""
    a, b = one.circuit, other.circuit
    return (
        a == b
        and a.groups == b.groups
        and a.notes == b.notes
        and one.threshold == other.threshold
        and one.pairs.all == other.pairs.all
        and one._history.state.dropped_nodes == other._history.state.dropped_nodes
    )
