"""Which of a model's modules lie on which device: chosen, read from a file, or stated.

A map is what accelerate and transformers call a device map: names of modules, and the device of all
that is in each. By `auto` the accelerators are filled one after the other, by `balanced` all take
the same share, both by accelerate's reckoning and without splitting a layer; what fits on none of
them stays on the host.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from workbench.base.failures import first_line
from workbench.base.text import quoted
from workbench.errors import WorkbenchError
from workbench.models.device import accelerator_name, accelerators, choose_device, free_memory
from workbench.models.placings import AUTO, BALANCED

MapChoice: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"
"""`auto`, `balanced`, a file, or the map itself."""

HOST = "cpu"

HOME_SHARE, OTHER_SHARE = 0.8, 0.95
"""Of an accelerator's memory, what weights may take: the engine's runs are on the first of them."""

HOST_SHARE = 0.9
"""Of the host's memory, what weights may take."""

VISITING = 2
"""Layers of the host that may be on the accelerator at once: the one in use, and the next."""

EVEN_TRIES = 8
"""How many layers more than its share an accelerator may get before the shares are given up."""

UNITS = {"GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6}
SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})")
OF_LAYER = re.compile(r"(.*?\.\d+)\.")


@dataclass(frozen=True)
class Room:
    """A device and its memory.

    Attributes:
        name: `cuda:0`, `cpu`.
        bytes: of memory that are free.
    """

    name: str
    bytes: int

    @property
    def is_host(self) -> bool:
        """Whether it is the host."""
        return self.name == HOST


@dataclass(frozen=True)
class Spread:
    """Where a model's modules lie, on more than one device.

    Attributes:
        entries: names of modules with the device of each; the longest name that fits is the one.
        home: the device that the engine computes on.
    """

    entries: tuple[tuple[str, str], ...]
    home: str

    @property
    def is_spread(self) -> bool:
        """Whether weights lie on more than one device."""
        return len({self.home, *(device for _, device in self.entries)}) > 1

    def device_of(self, name: str) -> str:
        """Where a weight of this dotted name lies."""
        fitting = [e for e in self.entries if not e[0] or f"{name}.".startswith(f"{e[0]}.")]
        return max(fitting, key=lambda entry: len(entry[0]))[1]

    def covers(self, name: str) -> bool:
        """Whether any entry says where a weight lies."""
        return any(not e or f"{name}.".startswith(f"{e}.") for e, _ in self.entries)

    def expanded(self, model: Any) -> dict[str, str]:
        """The same map with no module in it that holds another: what accelerate makes hooks of."""
        found: dict[str, str] = {}

        def walk(module: Any, name: str) -> None:
            before = f"{name}." if name else ""
            if name and not any(e.startswith(before) for e, _ in self.entries):
                found[name] = self.device_of(name)
                return
            for leaf, _ in [*module.named_parameters(recurse=False)]:
                found[before + leaf] = self.device_of(before + leaf)
            for leaf, child in module.named_children():
                if self.covers(before + leaf) or any(True for _ in child.parameters()):
                    walk(child, before + leaf)
                else:
                    found[before + leaf] = self.home  # without weights of its own

        walk(model, "")
        return found

    def weights(self, model: Any, dtype: torch.dtype) -> dict[str, int]:
        """Bytes of weights on each device; what several modules share is counted once.

        Args:
            model: a transformers model, which may be on the meta device.
            dtype: numbers that it is read into.
        """
        found = dict.fromkeys([self.home, *(device for _, device in self.entries)], 0)
        for name, weight in model.named_parameters():
            size = dtype.itemsize if weight.is_floating_point() else weight.element_size()
            found[self.device_of(name)] += weight.numel() * size
        return found

    def visiting(self, model: Any, dtype: torch.dtype) -> int:
        """Bytes that weights of the host may take on `home` while they are used."""
        by_layer: dict[str, int] = {}
        for name, weight in model.named_parameters():
            if self.home != HOST and self.device_of(name) == HOST:
                of = OF_LAYER.match(name)
                part = of[1] if of else name
                by_layer[part] = by_layer.get(part, 0) + weight.numel() * dtype.itemsize
        return VISITING * max(by_layer.values(), default=0)

    def layers(self) -> dict[str, list[int]]:
        """The numbers of the layers that lie on each device as a whole."""
        found: dict[str, list[int]] = {}
        for name, device in self.entries:
            last = name.rpartition(".")[2]
            if last.isdigit():
                found.setdefault(device, []).append(int(last))
        return found


def stated_rooms(text: str) -> list[Room]:
    """Devices as they are stated: `80GiB,80GiB`, and `cpu:200GiB` for the host.

    Raises:
        WorkbenchError: it says something else.
    """
    rooms: list[Room] = []
    for part in text.split(","):
        host, _, size = part.strip().rpartition(":")
        match = SIZE.fullmatch(size.strip())
        if match is None or host not in ("", HOST):
            raise WorkbenchError(
                f"--devices says {quoted(part.strip())}: give the memory of each accelerator, as "
                "in 80GiB,80GiB, and of the host as cpu:200GiB."
            )
        number = sum(not room.is_host for room in rooms)
        name = host or accelerator_name(number)
        rooms.append(Room(name, int(float(match[1]) * UNITS[match[2]])))
    if all(room.is_host for room in rooms) or sum(room.is_host for room in rooms) > 1:
        raise WorkbenchError(
            "--devices wants an accelerator at least, and the host once at most: 80GiB,80GiB."
        )
    return rooms


def rooms_here(device: str | torch.device | None = None) -> list[Room]:
    """This machine's accelerators, the named one first, and the host: what is free of each."""
    found = accelerators()
    if device is not None:
        first = choose_device(device)
        found = [first, *(one for one in found if one != first)] if first.type != HOST else []
    rooms = [Room(str(one), free_memory(one)) for one in found]
    return [*rooms, Room(HOST, free_memory(torch.device(HOST)))]


def spread_of(
    choice: MapChoice,
    model: Any,
    dtype: torch.dtype,
    rooms: Sequence[Room],
    name: str,
    *,
    stated: bool = False,
) -> Spread:
    """Where a model's modules are to lie.

    Args:
        choice: `auto`, `balanced`, a JSON file of modules' names and devices, or that as a mapping.
        model: a transformers model, which may be on the meta device.
        dtype: numbers that it is read into.
        rooms: the devices, the one first that the engine is to compute on.
        name: of the model, for sentences.
        stated: the devices are stated, and need not be here.

    Raises:
        WorkbenchError: the map cannot be read or does not fit the model, or its weights do not fit
            on the devices.
    """
    if choice in (AUTO, BALANCED):
        spread = _reckoned(str(choice), model, dtype, rooms, name)
    else:
        entries = dict(choice) if isinstance(choice, Mapping) else _read(Path(str(choice)))
        spread = _of_entries(entries, rooms, stated)
        missing = [n for n, _ in model.named_parameters() if not spread.covers(n)]
        if missing:
            raise WorkbenchError(
                f"The device map says nothing of {missing[0]} of {name}: name its module, or give "
                'all that is not named a device by the name "".'
            )
    _check(spread, model, dtype, rooms, name)
    return spread


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict) or not entries:
            raise ValueError("it is no table of modules and devices")
    except FileNotFoundError:
        raise WorkbenchError(
            f"{path} is no file: --device-map takes auto, balanced, or a JSON file of modules' "
            "names and devices."
        ) from None
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"The device map {path} cannot be read ({first_line(error)})."
        ) from error
    return entries


def _of_entries(entries: Mapping[str, Any], rooms: Sequence[Room], stated: bool) -> Spread:
    known = {room.name for room in rooms}
    named: list[tuple[str, str]] = []
    for module, device in entries.items():
        place = accelerator_name(device if type(device) is int else str(device))
        if place == "disk":
            raise WorkbenchError(
                f"The device map leaves {quoted(module)} on the disk, from where weights are not "
                "brought: give it to the host (cpu) or an accelerator."
            )
        if stated and place not in known:
            raise WorkbenchError(
                f"The device map gives {quoted(module)} to {quoted(place)}, which is none of the "
                f"devices that are stated ({', '.join(sorted(known))})."
            )
        named.append((module, place if stated else str(choose_device(place))))
    there = [device for _, device in named]
    first = next((room.name for room in rooms if room.name in there), there[0])
    home = first if first != HOST else next((one for one in there if one != HOST), HOST)
    return Spread(tuple(named), home)


def _reckoned(way: str, model: Any, dtype: torch.dtype, rooms: Sequence[Room], name: str) -> Spread:
    """By accelerate, of which accelerators are numbers."""
    of = [room for room in rooms if not room.is_host]
    host = sum(room.bytes for room in rooms if room.is_host)
    if not of:
        return Spread((("", HOST),), HOST)
    most = [
        int(room.bytes * (OTHER_SHARE if number else HOME_SHARE)) for number, room in enumerate(of)
    ]
    total = Spread((("", HOST),), HOST).weights(model, dtype)[HOST]
    kinds = sorted(getattr(model, "_no_split_modules", None) or ())

    def within(limits: Sequence[int]) -> dict[str, Any]:
        numbered: dict[int | str, int] = dict(enumerate(limits))
        numbered["cpu"] = int(host * HOST_SHARE)
        with quiet_accelerate(name):
            from accelerate import infer_auto_device_map

            return dict(
                infer_auto_device_map(
                    model, max_memory=numbered, no_split_module_classes=kinds, dtype=dtype
                )
            )

    names = {str(number): room.name for number, room in enumerate(of)} | {HOST: HOST}
    found = within(most)
    if HOST in found.values():  # then there is to be room at home for what visits
        entries = tuple((one, names.get(str(device), HOST)) for one, device in found.items())
        visiting = Spread(entries, of[0].name).visiting(model, dtype)
        most[0] = max(0, min(most[0], int(of[0].bytes * OTHER_SHARE) - visiting))
        found = within(most)
    if "disk" in found.values():
        raise WorkbenchError(_too_big(name, total, rooms))
    if way == BALANCED and len(of) > 1 and HOST not in found.values():
        largest = Spread((("", HOST),), of[0].name).visiting(model, dtype) // VISITING
        for spare in range(1, EVEN_TRIES):  # accelerate leaves room for a layer on the first
            even = total // len(of) + spare * largest
            tried = within([min(even, room) for room in most])
            if not {"disk", HOST} & set(tried.values()):
                found = tried
                break
    entries = tuple((module, names[str(device)]) for module, device in found.items())
    return Spread(entries, of[0].name)


def _check(
    spread: Spread, model: Any, dtype: torch.dtype, rooms: Sequence[Room], name: str
) -> None:
    """Refuse what does not fit before anything is read."""
    weights = spread.weights(model, dtype)
    for room in rooms:
        wanted = weights.get(room.name, 0)
        wanted += spread.visiting(model, dtype) if room.name == spread.home else 0
        if wanted > room.bytes:
            raise WorkbenchError(
                f"Of {name}, {wanted / 2**30:.1f} GiB of weights would be on {room.name}, which "
                f"has {room.bytes / 2**30:.1f} GiB: " + _advice(sum(weights.values()), rooms)
            )


def _advice(total: int, rooms: Sequence[Room]) -> str:
    room = sum(one.bytes for one in rooms)
    if total <= room * HOME_SHARE:
        return "give more of it to the other devices, or take --device-map auto."
    return "take a smaller dtype, or more or larger devices."


def _too_big(name: str, total: int, rooms: Sequence[Room]) -> str:
    told = ", ".join(f"{room.bytes / 2**30:.1f} GiB on {room.name}" for room in rooms)
    return (
        f"{name} takes {total / 2**30:.1f} GiB, which do not fit ({told}): take a smaller dtype, "
        "or more or larger devices."
    )


@contextmanager
def quiet_accelerate(name: str) -> Iterator[None]:
    """While it lasts, accelerate says nothing; what it refuses becomes a sentence.

    Raises:
        WorkbenchError: accelerate is not installed, or refuses the model.
    """
    logger = logging.getLogger("accelerate")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="accelerate")
            yield
    except ImportError as error:
        raise WorkbenchError(
            f"To spread {name} over several devices accelerate is needed ({first_line(error)}): "
            "pip install accelerate."
        ) from error
    except ValueError as error:
        raise WorkbenchError(
            f"{name} cannot be spread over the devices ({first_line(error)})."
        ) from error
    finally:
        logger.setLevel(before)
