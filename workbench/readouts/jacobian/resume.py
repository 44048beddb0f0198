"""A fit that may be broken off and gone on with: its text, what is done, the lens.

Beside the lens file stands another, `FILE.part`, with the sums of the prompts that are done. It
belongs to one model, text and way of fitting, and is taken away when the lens is written.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from workbench.base.home import meant_path
from workbench.base.text import shown_path
from workbench.base.work import Stop
from workbench.base.write_file import write_bytes
from workbench.errors import Cancelled, WorkbenchError
from workbench.formats.torch_file import is_tensor, load_tensors, look_into_file
from workbench.models.model import Model
from workbench.prompts.encoding import Encoding
from workbench.readouts.jacobian.files import check_lens_target, regular_file, save_lens
from workbench.readouts.jacobian.fit import LENGTH, SKIP, Sums, fitting, usable
from workbench.readouts.jacobian.lens import JacobianLens

PART = ".part"
EVERY = 20.0
"""Seconds between two times that what is done is written down."""
MOST_TEXT = 200_000_000
"""Bytes of a text that are read: far more than a lens is fitted to."""


@dataclass(frozen=True)
class Fitted:
    """What came of a fit.

    Attributes:
        lens: of the prompts that are done.
        n_prompts: how many the text has; fewer are in the lens if it was stopped.
        too_short: texts left out since they have no position that counts.
        resumed: prompts that were done before.
        complete: it came to its end, and the lens is written.
    """

    lens: JacobianLens
    n_prompts: int
    too_short: int
    resumed: int
    complete: bool


def texts_in(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a text file that hold something: a prompt each.

    Raises:
        WorkbenchError: it cannot be read, or is no text.
    """
    shown = shown_path(path)
    found = regular_file(path)
    with open(found, "rb") as file:
        data = file.read(MOST_TEXT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkbenchError(f"{shown} is a binary file: a lens is fitted to a text.") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise WorkbenchError(
            f"{shown} is empty: a lens is fitted to a text, a prompt in each line."
        )
    return lines


def fit_lens(
    model: Model,
    texts: Sequence[str],
    path: str | os.PathLike[str],
    *,
    joined: bool = False,
    prompts: int | None = None,
    skip: int = SKIP,
    length: int | None = None,
    progress: Callable[[str, float], None] | None = None,
    cancel: Stop | None = None,
) -> Fitted:
    """Fit a lens to texts and write it; go on where an earlier fit of the same was broken off.

    Args:
        texts: a prompt each.
        joined: the texts are one, which is cut into prompts of `length` tokens.
        prompts: how many to read at most; None: all.
        skip: how many positions at the beginning of each prompt do not count.
        length: how many tokens of a prompt are read at most; None: LENGTH, or as many as the model
            has positions.
        progress: told what is done, and the fraction.
        cancel: stops it when set; what is done is kept in the part file.

    Raises:
        WorkbenchError: a path cannot be written, no text is long enough, or the part file is of
            another fit.
        Cancelled: it was stopped before a prompt was done.
    """
    check_lens_target(path)
    if length is None:
        length = min(LENGTH, model.positions or LENGTH)
    elif model.positions is not None and length > model.positions:
        raise WorkbenchError(
            f"{model.name} has {model.positions} positions: fit with --length {model.positions}."
        )
    if skip < 0 or length < skip + 2:
        raise WorkbenchError(
            f"Prompts of {length} tokens of which {skip} are skipped leave nothing to fit: the "
            "length has to be at least 2 more than what is skipped."
        )
    ids = _prompts(model, texts, joined, length)
    read = usable(ids, skip, length)[:prompts]
    if not read:
        longest = max(map(len, ids), default=0)
        raise WorkbenchError(
            f"No prompt is long enough: the longest has {longest} tokens, and a lens that skips "
            f"{skip} needs {skip + 2}; skip fewer (--skip), or join the lines (--join)."
        )
    too_short = sum(len(prompt) < skip + 2 for prompt in ids)
    of = _fingerprint(model, read, skip)
    part = Path(f"{meant_path(path)}{PART}")
    sums = _resumed(part, of) if part.exists() else Sums()
    before, ended = sums.n_prompts, False
    work, written = fitting(model, read, sums, skip=skip), time.monotonic()
    done = before
    try:
        for fraction in work:
            if progress is not None:
                progress(f"Fitting the lens: {sums.n_prompts} of {len(read)} prompts", fraction)
            if cancel is not None and cancel.is_set():
                break
            if sums.n_prompts > done and time.monotonic() - written > EVERY:
                _write_part(part, sums, of)
                done, written = sums.n_prompts, time.monotonic()
        else:
            ended = True
    finally:
        work.close()
        if not ended and sums.n_prompts > before:
            _write_part(part, sums, of)
    if not ended and not sums.n_prompts:
        raise Cancelled
    lens = sums.lens(model)
    if ended:
        about = {"skip_first_positions": str(skip), "max_seq_len": str(length)}
        save_lens(lens, path, about)
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Fitted(lens, len(read), too_short, before, ended)


def _prompts(model: Model, texts: Sequence[str], joined: bool, length: int) -> list[list[int]]:
    """Token ids of each prompt."""
    encoding = Encoding(model.tokenizer)
    if not joined:
        return encoding.prompts(texts)
    whole = encoding.prompts(["\n".join(texts)])[0][len(encoding.prefix) :]
    own = max(1, length - len(encoding.prefix))
    return [[*encoding.prefix, *whole[first : first + own]] for first in range(0, len(whole), own)]


def _fingerprint(model: Model, prompts: Sequence[Sequence[int]], skip: int) -> str:
    """What a fit is of: the same for the same model by name and shape, prompts and skip."""
    said = [model.name, model.parts.d_model, len(model.parts.layers), skip, str(model.dtype)]
    digest = hashlib.sha256(repr((said, prompts)).encode())
    return digest.hexdigest()


def _write_part(path: Path, sums: Sums, of: str) -> None:
    file = io.BytesIO()
    torch.save({"of": of, "n_prompts": sums.n_prompts, "sums": sums.matrices}, file)
    write_bytes(path, file.getvalue())


def _resumed(path: Path, of: str) -> Sums:
    """What an earlier fit came to.

    Raises:
        WorkbenchError: the file is of another fit, or is none.
    """
    shown = shown_path(path)
    found = regular_file(path)
    other = WorkbenchError(
        f"{shown} is of another fit, or damaged: take it away, or write the lens to another file."
    )
    try:
        with open(found, "rb") as file:
            value = look_into_file(file)
        held = value.get("sums") if isinstance(value, dict) else None
        if not isinstance(held, dict) or not all(map(is_tensor, held.values())):
            raise other
        if value.get("of") != of or type(value.get("n_prompts")) is not int:
            raise other
        loaded = load_tensors(found.read_bytes())
    except WorkbenchError:
        raise other from None
    matrices = {int(depth): matrix for depth, matrix in loaded["sums"].items()}
    return Sums(matrices, int(loaded["n_prompts"]))
