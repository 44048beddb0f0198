"""Files of Jacobian lenses: the published ones of torch.save, and safetensors.

A published file is `{"J": {layer: [d_model, d_model]}, "n_prompts", "source_layers", "d_model"}`,
with the layer's number of the block whose output is read. Ours add `embeddings`, the matrix of what
is there before the first block, and `metadata`: the model's name and layers, and how it was fitted;
other readers pass these over. Tensors are float16 unless a number is too large for it. In
safetensors the matrices are `J.0`, `J.1`, ... and `embeddings`, and the rest is its metadata.

No file is trusted: of torch.save only tensors and plain values are loaded, after a look at what it
holds (`formats.torch_file`).
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.base.home import meant_path
from workbench.base.text import shown_path
from workbench.base.write_file import check_target, write_bytes
from workbench.errors import WorkbenchError
from workbench.formats.torch_file import is_tensor, load_tensors, look_into_file
from workbench.readouts.jacobian.lens import JacobianLens

SUFFIXES = (".pt", ".pth", ".safetensors")
EMBEDDINGS = "embeddings"
LARGEST = 6e4
"""Above this a number is not held well by float16, whose largest is 65,504."""
MOST_WIDTH = 65_536
"""Of a residual stream: far beyond any model, so that a number above it is none."""


def check_lens_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path before hours are spent on what goes there. Raises WorkbenchError."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise WorkbenchError(
            f"{shown_path(path)} has the suffix of no lens file: end it in .pt, as published "
            "lenses do, or in .safetensors."
        )
    check_target(path)


def save_lens(
    lens: JacobianLens, path: str | os.PathLike[str], about: dict[str, str] | None = None
) -> None:
    """Write a lens, whole or not at all, in the form that the path's suffix says.

    Args:
        about: how it was fitted, in words.

    Raises:
        WorkbenchError: it could not be written; whatever stood there before is as it was.
    """
    check_lens_target(path)
    largest = max(float(matrix.abs().max()) for matrix in lens.matrices.values())
    dtype = torch.float16 if largest < LARGEST else torch.float32
    stored = {depth: matrix.to(dtype).contiguous() for depth, matrix in lens.matrices.items()}
    first = stored.pop(0, None)
    told = {**(about or {}), "model": lens.model}
    if lens.n_layers is not None:
        told["n_layers"] = str(lens.n_layers)
    if Path(path).suffix.lower() == ".safetensors":
        from safetensors.torch import save

        tensors = {f"J.{depth - 1}": matrix for depth, matrix in stored.items()}
        if first is not None:
            tensors[EMBEDDINGS] = first
        head = {**told, "n_prompts": str(lens.n_prompts), "d_model": str(lens.d_model)}
        write_bytes(path, save(tensors, metadata=head))
        return
    value: dict[str, Any] = {
        "J": {depth - 1: matrix for depth, matrix in sorted(stored.items())},
        "n_prompts": lens.n_prompts,
        "source_layers": [depth - 1 for depth in sorted(stored)],
        "d_model": lens.d_model,
        "metadata": told,
    }
    if first is not None:
        value[EMBEDDINGS] = first
    file = io.BytesIO()
    torch.save(value, file)
    write_bytes(path, file.getvalue())


def load_lens(path: str | os.PathLike[str]) -> JacobianLens:
    """Read a lens file; the numbers stay in it until they are needed.

    Raises:
        WorkbenchError: one sentence on what is wrong with it.
    """
    shown = shown_path(path)
    found = regular_file(path)
    try:
        with open(found, "rb") as file:
            value = look_into_file(file)
        parts = _of_safetensors(found) if value is None else _of_torch(found, value)
        matrices, head = parts
        return _checked(matrices, head, shown)
    except WorkbenchError as error:
        sentence = str(error)
        raise WorkbenchError(
            f"{shown} cannot be used as a Jacobian lens: {sentence[:1].lower()}{sentence[1:]}"
        ) from None
    except MemoryError:
        raise WorkbenchError(f"There is not enough memory to read {shown}.") from None


def regular_file(path: str | os.PathLike[str]) -> Path:
    """A path's file, if it can be read.

    Raises:
        WorkbenchError: there is none, or no ordinary one, or it may not be read.
    """
    shown = shown_path(path)
    try:
        found = meant_path(path)
        mode = os.stat(found).st_mode
        with open(found, "rb") if stat.S_ISREG(mode) else io.BytesIO():
            pass
    except FileNotFoundError:
        raise WorkbenchError(f"There is no file {shown}.") from None
    except (OSError, ValueError, RuntimeError) as error:
        code = error.errno if isinstance(error, OSError) else None
        why = os.strerror(code) if code else "it is not a possible path"
        raise WorkbenchError(f"{shown} cannot be read: {why}.") from None
    if not stat.S_ISREG(mode):
        raise WorkbenchError(f"{shown} is not an ordinary file.")
    return found


def _of_torch(path: Path, value: Any) -> tuple[dict[int, Tensor], dict[str, Any]]:
    """Matrices by depth and what stands beside them; `value` is what the file holds."""
    held = value.get("J") if isinstance(value, dict) else None
    if not isinstance(held, dict) or not held:
        raise WorkbenchError("It holds no matrices under the name J.")
    if not all(is_tensor(matrix) for matrix in held.values()):
        raise WorkbenchError("Not everything under the name J is a tensor.")
    loaded = load_tensors(path)
    matrices = {_depth(layer): matrix for layer, matrix in loaded["J"].items()}
    if isinstance(first := loaded.get(EMBEDDINGS), Tensor):
        matrices[0] = first
    told = loaded.get("metadata")
    head = dict(told) if isinstance(told, dict) else {}
    return matrices, {**head, **{name: loaded.get(name) for name in ("n_prompts", "d_model")}}


def _of_safetensors(path: Path) -> tuple[dict[int, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            head = dict(file.metadata() or {})
            names = [n for n in file.keys() if n == EMBEDDINGS or n.startswith("J.")]  # noqa: SIM118
            matrices = {
                0 if name == EMBEDDINGS else _depth(name[2:]): file.get_tensor(name)
                for name in names
            }
    except (SafetensorError, OSError, ValueError, OverflowError):
        raise WorkbenchError(
            "It is neither a file of torch.save nor a whole one of safetensors."
        ) from None
    if not matrices:
        raise WorkbenchError("It holds no matrices of the names J.0, J.1 and so on.")
    return matrices, head


def _depth(layer: Any) -> int:
    try:
        number = int(layer)
    except (TypeError, ValueError):
        number = -1
    if isinstance(layer, bool | float) or not 0 <= number < 100_000:
        raise WorkbenchError(f"Its layer {str(layer)[:20]!r} is no layer's number.")
    return number + 1


def _checked(matrices: dict[int, Tensor], head: dict[str, Any], shown: str) -> JacobianLens:
    """The lens of what was read, if it is one."""
    widths = {tuple(matrix.shape) for matrix in matrices.values()}
    shape = next(iter(widths))
    if len(widths) > 1 or len(shape) != 2 or shape[0] != shape[1] or not 0 < shape[0] <= MOST_WIDTH:
        raise WorkbenchError("Its matrices are not square, or not all of one width.")
    if not all(matrix.is_floating_point() for matrix in matrices.values()):
        raise WorkbenchError("Its matrices do not hold fractions.")
    target, layers = _number(head.get("target_layer")), _number(head.get("n_layers"))
    if target is not None and layers is not None and target != layers - 1:
        raise WorkbenchError(
            f"It reads up to layer {target}, and only the last layer is read here."
        )
    if not all(bool(matrix.isfinite().all()) for matrix in matrices.values()):
        raise WorkbenchError("Its matrices hold numbers that are not finite.")
    n_prompts = _number(head.get("n_prompts"))
    name = head.get("model") or head.get("model_name") or ""
    return JacobianLens(
        matrices=dict(sorted(matrices.items())),
        d_model=shape[0],
        n_prompts=0 if n_prompts is None else n_prompts,
        n_layers=target + 1 if layers is None and target is not None else layers,
        model=name if isinstance(name, str) else "",
        source=shown,
    )


def _number(value: Any) -> int | None:
    """A whole number that is not negative, as a number or in digits."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
