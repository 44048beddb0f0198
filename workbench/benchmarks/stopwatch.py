"""Time as a multiple of one plain forward pass, and the memory of work at its peak.

A machine shared with others is now fast, now slow. So a plain forward pass is timed beside every
item, again and again, and an item's time is divided by those taken just before and after it.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.models.device import peak_memory_counter, reset_peak_memory, synchronize
from workbench.prompts.batch import Batch

SAMPLE = 0.002
"""Seconds between two looks at the memory, where the system does not keep the peak itself."""


class Stopwatch:
    """Times work against plain forward passes of a batch's clean prompts.

    Attributes:
        forward_seconds: every F measured; backward_seconds: every B.
    """

    def __init__(self, plain: Any, batch: Batch, device: torch.device) -> None:
        """`plain`: a transformers model that nothing wraps."""
        self._plain = plain
        self._batch = batch
        self._device = device
        self.forward_seconds: list[float] = []
        self.backward_seconds: list[float] = []

    def of(self, batch: Batch) -> Stopwatch:
        """One that times the same model on another batch."""
        return Stopwatch(self._plain, batch, self._device)

    def seconds(self, work: Callable[[], object]) -> float:
        """How long a piece of work takes.

        On a CPU with one thread it is that thread's own time, which what else the machine does
        hardly touches.
        """
        alone = self._device.type == "cpu" and torch.get_num_threads() == 1
        clock = time.thread_time if alone else time.perf_counter
        synchronize(self._device)
        began = clock()
        work()
        synchronize(self._device)
        return clock() - began

    def forward(self) -> float:
        """F: one plain forward pass of the whole batch."""
        taken = self.seconds(self._forward)
        self.forward_seconds.append(taken)
        return taken

    def _forward(self) -> None:
        with torch.no_grad():
            for group in self._batch.groups:
                self._plain(group.clean)

    def backward(self) -> float:
        """B: one backward pass from the logit difference to the embeddings, for the whole batch.

        No gradients of parameters are taken.
        """
        taken = 0.0
        for group in self._batch.groups:
            embedded = self._plain.get_input_embeddings()(group.clean).detach()
            embedded.requires_grad_(True)
            logits = self._plain(inputs_embeds=embedded).logits[:, -1]
            loss = _logit_difference(logits, group.answers, group.wrong_answers)
            taken += self.seconds(loss.backward)
        self.backward_seconds.append(taken)
        return taken

    def ratios(
        self, work: Callable[[], object], rounds: int, *, unit: Callable[[], float] | None = None
    ) -> tuple[list[float], list[float]]:
        """Repeat a piece of work between measurements of its unit.

        Args:
            work: what to time.
            rounds: how often.
            unit: measures the unit; None: F.

        Returns:
            Each round's time in units, and in seconds.
        """
        measure = unit or self.forward
        before = measure()
        ratios, times = [], []
        for _ in range(rounds):
            taken = self.seconds(work)
            after = measure()
            ratios.append(taken / ((before + after) / 2))
            times.append(taken)
            before = after
        return ratios, times

    def alternating(
        self, works: Sequence[Callable[[], object]], rounds: int
    ) -> list[tuple[float, ...]]:
        """Seconds of each of several pieces of work, one after the other in every round."""
        return [tuple(self.seconds(work) for work in works) for _ in range(rounds)]


def _logit_difference(
    logits: Tensor, answers: Sequence[Sequence[int]], wrong: Sequence[Sequence[int]]
) -> Tensor:
    rows = [
        logits[row, list(right)].mean() - logits[row, list(other)].mean()
        for row, (right, other) in enumerate(zip(answers, wrong, strict=True))
    ]
    return torch.stack(rows).mean()


class Peak:
    """Bytes in use at most, above those at the start."""

    def __init__(self) -> None:
        self.bytes = 0


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the peak of what is done inside, on the GPU if the model is there.

    On Linux the kernel keeps the peak of the resident set; elsewhere it is sampled.
    """
    peak = Peak()
    gc.collect()
    _give_back()
    reset_peak_memory(device)
    start_gpu = peak_memory_counter(device)
    if start_gpu is not None:
        yield peak
        peak.bytes = (peak_memory_counter(device) or 0) - start_gpu
        return
    start = resident()
    if _reset_high_water():
        yield peak
        peak.bytes = _high_water() - start
        return
    with _sampling() as highest:
        yield peak
    peak.bytes = highest[0] - start


def resident() -> int:
    """Bytes of this process in memory."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _give_back() -> None:
    """Let the C library return freed memory, so that it is not counted as in use (glibc)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_high_water() -> bool:
    """Whether the kernel forgot the old peak (Linux, `proc(5)`: clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return _high_water() <= resident() + 2**20


def _high_water() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@contextmanager
def _sampling() -> Iterator[list[int]]:
    highest = [resident()]
    done = threading.Event()

    def look() -> None:
        while not done.wait(SAMPLE):
            highest[0] = max(highest[0], resident())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield highest
    finally:
        done.set()
        thread.join()
