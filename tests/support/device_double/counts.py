"""What the daily work of a circuit asks of a device, counted: launches, waits, uploads.

Run as `python -m tests.support.device_double.counts [MODEL]`; the model is read and moved to the
double, so that it takes no GPU, and some minutes for a large one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.support.device_double.events import HOST_INDEX, WAITS, Seen, watched
from tests.support.device_double.models import on_double
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.discovery.findings import Findings
from workbench.discovery.methods.eap import find
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection, select
from workbench.engine.evaluator import Edit, Evaluator
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task, prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model, read_model

EDGES, PAIRS, TOGGLES = 200, 16, 24


@dataclass(frozen=True)
class Counted:
    """What one piece of work asked of the device."""

    what: str
    launches: int
    waits: int
    host_indices: int
    uploads: int

    @classmethod
    def of(cls, what: str, seen: Seen) -> Counted:
        """Of what was seen."""
        waits, indices = len(seen.of(WAITS)), len(seen.of(HOST_INDEX))
        return cls(what, seen.launches, waits, indices, seen.uploads)

    def __str__(self) -> str:
        numbers = f"{self.launches:7,} {self.waits:6} {self.host_indices:6} {self.uploads:8}"
        return f"{self.what:34} {numbers}"


def eap(experiment: Experiment, edges: int = EDGES) -> tuple[Counted, Circuit]:
    """EAP of all edges, its scores brought back, and the circuit of the best."""
    findings = Findings.about(experiment, "eap")
    with watched() as seen:
        finish(find(experiment, findings, Options()))
    return Counted.of("EAP", seen), select(findings, Selection("top", edges)).circuit


def from_nothing(experiment: Experiment, circuit: Circuit) -> tuple[Counted, Evaluator]:
    """A circuit's value without any other's."""
    with watched() as seen:
        evaluator = Evaluator(experiment, circuit)
        evaluator.value()
    return Counted.of(f"from nothing, {circuit.n_edges} edges", seen), evaluator


def toggles(evaluator: Evaluator, n: int = TOGGLES, *, whole: bool = True) -> list[Counted]:
    """Kept edges dropped and added again, the metric read of each circuit.

    Args:
        whole: accuracy and KL as well.
    """
    kept = [str(edge) for edge in evaluator.circuit.edges()]
    found = []
    for edge in kept[:: max(1, len(kept) // n)]:
        for what in ("drop", "add"):
            with watched() as seen:
                value = evaluator.commit(Edit(toggle=(edge,)))
                if whole:
                    _ = value.accuracy, value.kl
            found.append(Counted.of(f"{what} {edge}", seen))
    return found


def on(model: Model, pairs: int = PAIRS) -> Experiment:
    """Pairs of IOI."""
    task = load_task("ioi", model, pairs=pairs)
    return prepare(model, task, ExperimentSettings.of(model, task, None))


def report(model: Model) -> Iterator[str]:
    """The table's lines."""
    layers = model.graph.n_layers
    yield f"{'':34} {'kernels':>7} {'waits':>6} {'index':>6} {'uploads':>8}"
    with watched() as seen:
        experiment = on(model)
    yield str(Counted.of("both runs", seen))
    scored, circuit = eap(experiment, EDGES)
    yield str(scored)
    made, evaluator = from_nothing(experiment, circuit)
    yield str(made)
    for whole in (False, True):
        every = toggles(evaluator, whole=whole)
        yield "A toggle of a kept edge" + (", with accuracy and KL" if whole else "")
        yield from _of_all(every)
    yield f"EAP, kernels a layer: {scored.launches / layers:.0f}"


def _of_all(every: list[Counted]) -> Iterator[str]:
    for name, choose in (("median", median), ("most", max)):
        kinds = ("launches", "waits", "host_indices", "uploads")
        numbers = (int(choose([getattr(one, kind) for one in every])) for kind in kinds)
        yield str(Counted(f"  {name}", *numbers))


def main() -> None:
    """Count on a model of this machine."""
    warnings.simplefilter("ignore")
    name = sys.argv[1] if len(sys.argv) > 1 else "pocket"
    hf, tokenizer, _ = read_model(name, device="cpu")
    for line in report(Model.from_hf(on_double(hf), tokenizer, name=name)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
