"""Recordings in a file: what a layer wrote comes into memory when it is asked for.

Whoever reads a layer's record reads it as any other. The tensors of both runs are copied into one
stretch of the file, what they share is shared there too, and asking for a layer tells the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import SupportsIndex, overload

from torch import Tensor

from workbench.base.scratch_file import Room, ScratchFile, aligned
from workbench.transformer.recording import LayerRecord, Recording, Run


def stowed(recording: Recording, file: ScratchFile) -> Recording:
    """The same recording with its layers in a file, and the cells of its circuits with them.

    What was moved is written and still held: `file.release` is to follow once the recording given
    is gone.

    Raises:
        WorkbenchError: the disk has no room for it.
    """
    runs = (recording.whole, recording.clean, recording.corrupted)
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for run in runs
        for layer in run.layers
        for tensor in _tensors(layer)
    }
    mover = _Mover(file.room(sum(map(aligned, storages.values()))))
    made: dict[int, Run] = {}
    for run in runs:
        if id(run) not in made:
            layers = StowedLayers(map(mover.layer, run.layers), file)
            made[id(run)] = replace(run, layers=layers)
    whole, clean, corrupted = (made[id(run)] for run in runs)
    return replace(recording, whole=whole, clean=clean, corrupted=corrupted, file=file)


def again_stowed(recording: Recording, like: Recording) -> Recording:
    """A recording made of another one, in the file in which that lies, if it lies in one."""
    return recording if like.file is None else stowed(recording, like.file)


class StowedLayers(list[LayerRecord]):
    """The records of a run's layers, each told to the file before it is read."""

    def __init__(self, layers: Iterator[LayerRecord], file: ScratchFile) -> None:
        super().__init__(layers)
        self._file = file
        self._sizes = [
            sum(tensor.nbytes for tensor in _tensors(layer)) for layer in super().__iter__()
        ]

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> LayerRecord: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[LayerRecord]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> LayerRecord | list[LayerRecord]:
        for place in range(len(self))[index] if isinstance(index, slice) else (int(index),):
            self._told(place)
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[LayerRecord]:
        for place, layer in enumerate(super().__iter__()):
            self._told(place)
            yield layer

    def _told(self, place: int) -> None:
        self._file.touched((id(self), place), self._sizes[place])


class _Mover:
    """Tensors copied into one stretch of a file, those of one storage together."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._moved: dict[int, Tensor] = {}

    def layer(self, layer: LayerRecord) -> LayerRecord:
        moved = {
            name: self._tensor(value) for name, value in vars(layer).items() if value is not None
        }
        return LayerRecord(**moved)

    def _tensor(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        whole = self._moved.get(storage.data_ptr())
        if whole is None:
            n = storage.nbytes() // tensor.dtype.itemsize
            whole = self._room.take(n, tensor.dtype)
            whole.copy_(tensor.as_strided((n,), (1,), 0))
            self._moved[storage.data_ptr()] = whole
        return whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def _tensors(layer: LayerRecord) -> list[Tensor]:
    return [value for value in vars(layer).values() if value is not None]
