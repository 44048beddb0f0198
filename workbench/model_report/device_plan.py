"""What goes where when a model is spread over devices, and whether it fits: on paper.

Made of a model's configuration alone, without its weights: accelerate's reckoning on the meta
device says where modules go, and the footprint of a batch what comes beside them. The engine's runs
and sums are all on the first accelerator; on the others there is, for a moment, what an MLP makes
of the values that are sent to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.experiment.room import AFTERWARDS, Shape
from workbench.model_report.facts import Fact, size
from workbench.model_report.footprint import WHAT_IF_EXCESS, Footprint, predict
from workbench.models.device_map import BALANCED, HOST, MapChoice, Room

if TYPE_CHECKING:
    import torch

    from workbench.transformer.parts import ModelParts

MOST_PAIRS = 1 << 20
"""Beyond every batch."""


@dataclass(frozen=True)
class DevicePlan:
    """What one device is to hold, in bytes.

    Attributes:
        name: of the device.
        free: what there is of it.
        layers: the whole layers that lie there.
        weights: of the modules that lie there.
        visiting: of weights of the host, while they are used.
        runs: both runs and what is kept for the metric.
        work: what EAP, or a circuit of some hundred edges and its what-ifs, takes beside them.
        whole: the same of a circuit that keeps every edge: no circuit takes more.
    """

    name: str
    free: int
    layers: tuple[int, ...]
    weights: int
    visiting: int
    runs: int
    work: int
    whole: int

    @property
    def peak(self) -> int:
        """What is there at one time, of circuits that do not keep every edge."""
        return self.weights + self.visiting + self.runs + self.work

    @property
    def fits(self) -> bool:
        """Whether there is so much."""
        return self.peak <= self.free


@dataclass(frozen=True)
class SpreadPlan:
    """A model over several devices, planned without its weights.

    Attributes:
        model: its name.
        family: transformers' model type.
        parameters: number of weights.
        dtype: their number format.
        pairs, tokens: the batch.
        home: the device that the engine computes on.
        devices: what each is to hold.
        fit: the most pairs of so many tokens that fit; 0 if not one does.
    """

    model: str
    family: str
    parameters: int
    dtype: str
    pairs: int
    tokens: int
    home: str
    devices: tuple[DevicePlan, ...]
    fit: int

    @property
    def fits(self) -> bool:
        """Whether every device has what it is to hold."""
        return all(device.fits for device in self.devices)

    def verdict(self) -> str:
        """Whether it fits, and what would, in a sentence."""
        if self.fits:
            return f"fits; up to {self.fit:,} pairs of {self.tokens:,} tokens would"
        short = next(device for device in self.devices if not device.fits)
        more = (
            f"up to {self.fit:,} pairs of {self.tokens:,} tokens would fit"
            if self.fit
            else "not one pair would; take more or larger devices, or a smaller dtype"
        )
        return f"does not fit: {short.name} has {size(short.free)} for {size(short.peak)}; {more}"

    def facts(self) -> list[Fact]:
        """The plan as lines of label and words."""
        found = [
            ("model", f"{self.model}, of the family {self.family}; {self.dtype}, planned"),
            ("parameters", f"{self.parameters:,}, in {size(sum(d.weights for d in self.devices))}"),
            ("batch", f"{self.pairs:,} pairs of {self.tokens:,} tokens; runs on {self.home}"),
        ]
        for device in self.devices:
            layers = _numbers(device.layers)
            where = "the host" if device.name == HOST else device.name
            found.append((where, f"{size(device.peak)} of {size(device.free)}"))
            found.append(("  weights", size(device.weights) + (layers and f", layers {layers}")))
            if device.visiting:
                found.append(("  visiting", f"{size(device.visiting)}, the host's while in use"))
            if device.runs:
                found.append(("  both runs", size(device.runs)))
            if device.work:
                whole = f"; {size(device.whole)} if a circuit kept every edge"
                found.append(("  at work", size(device.work) + (whole if device.whole else "")))
        return [*found, ("plan", self.verdict())]

    def to_json(self) -> dict[str, Any]:
        """The same for programs; sizes in bytes."""
        devices = [asdict(one) | {"peak": one.peak, "fits": one.fits} for one in self.devices]
        return asdict(self) | {"devices": devices, "fits": self.fits}


def plan_spread(
    name: str,
    folder: Path,
    dtype: torch.dtype,
    rooms: Sequence[Room],
    pairs: int,
    tokens: int,
    choice: MapChoice = BALANCED,
) -> SpreadPlan:
    """Plan a model over stated devices; of its folder only config.json is read.

    Args:
        name: what to call the model.
        folder: holds config.json in transformers' format.
        dtype: numbers of the weights.
        rooms: the devices, the one first that the engine is to compute on.
        pairs, tokens: how many pairs, and of how many tokens.
        choice: as `load_model`'s `device_map`.

    Raises:
        WorkbenchError: the family is not exact here, or the weights alone do not fit.
    """
    from workbench.models.device_map import spread_of
    from workbench.models.folder import read_config
    from workbench.models.transformers_access import empty_model
    from workbench.transformer.families import parts_of
    from workbench.transformer.families.supported import require_supported

    config = read_config(folder, name)
    require_supported(config, name)
    model = empty_model(folder, dtype)
    spread = spread_of(choice, model, dtype, rooms, name, stated=True)
    parts, layers = parts_of(model), spread.layers()
    weights, visiting = spread.weights(model, dtype), spread.visiting(model, dtype)

    def of_batch(n: int) -> Footprint:
        return predict(parts, [Shape(n, tokens)])

    def planned(footprint: Footprint) -> tuple[DevicePlan, ...]:
        kept = footprint.runs + footprint.probabilities
        return tuple(
            DevicePlan(
                name=room.name,
                free=room.bytes,
                layers=tuple(layers.get(room.name, ())),
                weights=weights.get(room.name, 0),
                visiting=visiting if room.name == spread.home else 0,
                runs=kept if room.name == spread.home else 0,
                work=_work(parts, footprint, room, spread.home),
                whole=footprint.circuit + footprint.what_if if room.name == spread.home else 0,
            )
            for room in rooms
            if room.name == spread.home or weights.get(room.name)
        )

    def fits(n: int) -> bool:
        return all(device.fits for device in planned(of_batch(n)))

    return SpreadPlan(
        model=name,
        family=str(config.model_type),
        parameters=sum(weight.numel() for weight in model.parameters()),
        dtype=str(dtype).removeprefix("torch."),
        pairs=pairs,
        tokens=tokens,
        home=spread.home,
        devices=planned(of_batch(pairs)),
        fit=_most(fits),
    )


def _work(parts: ModelParts, footprint: Footprint, room: Room, home: str) -> int:
    """What exists for a moment: at home all, on another accelerator what is sent to its MLPs."""
    if room.is_host:
        return 0
    shape, width = footprint.shapes[0], parts.d_model * parts.dtype.itemsize
    hidden = alternative_rows(0, 0, 0, tail=True) * shape.rows * width
    at_once = int(WHAT_IF_EXCESS * max(what_if_bytes(room.name.partition(":")[0]), hidden))
    if room.name != home:
        return at_once
    return max(footprint.eap, int((AFTERWARDS - 1) * footprint.runs) + at_once)


def _most(fits: Callable[[int], bool]) -> int:
    """The largest number of pairs that fits; 0 if none does."""
    if not fits(1):
        return 0
    low, high = 1, 2
    while high < MOST_PAIRS and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _numbers(layers: Sequence[int]) -> str:
    """Numbers of layers, `0 to 39` where they follow one another."""
    if not layers:
        return ""
    first, last = min(layers), max(layers)
    if len(layers) == last - first + 1 > 1:
        return f"{first} to {last}"
    return ", ".join(map(str, sorted(layers)))
