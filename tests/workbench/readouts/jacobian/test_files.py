"""Lens files: written, read by others, read from others, and files that are none."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformer_lens.tools.analysis.jacobian_lens import JacobianLens as TheirLens

from tests.support.tiny_models import tiny_gpt2
from workbench.errors import WorkbenchError
from workbench.models.model import Model
from workbench.readouts.jacobian.files import load_lens, save_lens
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.jacobian.own import lens_of

SUFFIXES = [".pt", ".safetensors"]


def some_lens(*depths: int, d_model: int = 6, **of: Any) -> JacobianLens:
    generator = torch.Generator().manual_seed(3)
    matrices = {d: torch.randn(d_model, d_model, generator=generator) for d in depths}
    return JacobianLens(matrices, d_model, 7, **of)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    lens = some_lens(0, 1, 3, n_layers=4, model="tiny")
    path = tmp_path / f"lens{suffix}"
    save_lens(lens, path)
    read = load_lens(path)
    assert (read.layers, read.d_model, read.n_prompts) == ((-1, 0, 2), 6, 7)
    assert (read.n_layers, read.model, read.source) == (4, "tiny", str(path))
    for depth, matrix in lens.matrices.items():
        assert torch.equal(read.matrices[depth], matrix.half())
    large = some_lens(1)
    large.matrices[1][0, 0] = 7e4  # float16 would make it infinite
    save_lens(large, path)
    assert torch.equal(load_lens(path).matrices[1], large.matrices[1])


def test_published_files_are_read_and_ours_by_others(tmp_path: Path) -> None:
    lens = some_lens(0, 1, 2, n_layers=3, model="tiny")
    path = tmp_path / "lens.pt"
    save_lens(lens, path)
    theirs = TheirLens.load(str(path))
    assert theirs.source_layers == [0, 1] and theirs.n_prompts == 7
    for layer, matrix in theirs.jacobians.items():
        assert torch.equal(matrix, lens.matrices[layer + 1].half().float())
    metadata = {"model_name": "owner/tiny", "target_layer": 2}
    published = TheirLens(theirs.jacobians, n_prompts=100, d_model=6, metadata=metadata)
    published.save(str(path))
    read = load_lens(path)
    assert (read.layers, read.n_prompts, read.n_layers) == ((0, 1), 100, 3)
    assert read.model == "owner/tiny"
    bare = {"J": {0: torch.eye(6)}, "n_prompts": 3, "source_layers": [0], "d_model": 6}
    torch.save(bare, path)
    assert load_lens(path).words == "Jacobian lens, mean over 3 prompts"


class Command:
    """Its pickle runs something when it is loaded."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("was-run"),))


def hostile(tmp_path: Path) -> dict[str, Path]:
    """Files that are no lens, by what has to be said of them."""
    made: dict[str, Path] = {}

    def file(said: str, name: str, data: bytes) -> None:
        made[said] = tmp_path / name
        made[said].write_bytes(data)

    def saved(value: Any) -> bytes:
        out = io.BytesIO()
        torch.save(value, out)
        return out.getvalue()

    whole = saved({"J": {0: torch.eye(6)}})
    file("neither a file of torch.save nor a whole one", "text.pt", b"not a lens")
    file("neither a file", "pickle.pt", pickle.dumps(Command()))
    file("damaged", "torn.pt", whole[: len(whole) // 2])
    file("", "code.pt", saved({"J": {0: torch.eye(6)}, "extra": Command()}))
    file("no matrices under the name J", "other.pt", saved({"K": 1}))
    file("no matrices under", "list.pt", saved([torch.eye(2)]))
    file("Not everything under".lower(), "mixed.pt", saved({"J": {0: torch.eye(6), 1: "x"}}))
    file("not square", "wide.pt", saved({"J": {0: torch.ones(6, 5)}}))
    file("not square, or not all", "two.pt", saved({"J": {0: torch.eye(6), 1: torch.eye(5)}}))
    file("not finite", "nan.pt", saved({"J": {0: torch.full((6, 6), float("nan"))}}))
    file("do not hold fractions", "whole.pt", saved({"J": {0: torch.ones(6, 6).long()}}))
    file("no layer's number", "named.pt", saved({"J": {"first": torch.eye(6)}}))
    file("no layer's number.", "minus.pt", saved({"J": {-3: torch.eye(6)}}))
    file("stored in full", "expanded.pt", _expanded(saved))
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out,
        zipfile.ZipFile(io.BytesIO(whole)) as archive,
    ):
        for name in archive.namelist():
            out.writestr(name, archive.read(name))
    file("packed", "bomb.pt", packed.getvalue())
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.eye(6)}, other)
    made["of the names J.0"] = other
    target = {"n_layers": 12, "target_layer": 5}
    file("only the last layer", "early.pt", saved({"J": {0: torch.eye(6)}, "metadata": target}))
    return made


def _expanded(saved: Any) -> bytes:
    """A tensor that claims a million numbers and stores one."""
    return bytes(saved({"J": {0: torch.ones(1).expand(1000, 1000)}}))


def test_files_that_are_none_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for said, path in hostile(tmp_path).items():
        with pytest.raises(WorkbenchError) as caught:
            load_lens(path)
        sentence = str(caught.value)
        assert said in sentence, path.name
        assert sentence.startswith(str(path)) and "\n" not in sentence
    assert not (tmp_path / "was-run").exists()
    for path, said in ((tmp_path / "none.pt", "There is no file"), (tmp_path, "no ordinary")):
        with pytest.raises(WorkbenchError, match=said.replace("no ord", "not an ord")):
            load_lens(path)
    with pytest.raises(WorkbenchError, match="suffix of no lens file"):
        save_lens(some_lens(1), tmp_path / "lens.json")


def test_a_lens_of_another_model_is_refused(tmp_path: Path) -> None:
    model = Model.from_hf(*tiny_gpt2(layers=2, heads=2), name="owner/Tiny-gpt2.gguf")
    width = model.parts.d_model
    good = some_lens(0, 1, d_model=width)
    assert lens_of(model, good) is good
    for name in ("", "tiny-gpt2", "other/TINY-GPT2"):
        assert some_lens(1, d_model=width, model=name).check(model)
    for lens, said in (
        (some_lens(0, 1), f"of width 6, and owner/Tiny-gpt2.gguf has {width}"),
        (some_lens(1, d_model=width, n_layers=3), "one of 3 layers"),
        (some_lens(1, 4, d_model=width), "at least 4 layers"),
        (some_lens(1, d_model=width, model="pythia"), "pythia, not of owner"),
    ):
        with pytest.raises(WorkbenchError, match=said):
            lens_of(model, lens)
    with pytest.raises(WorkbenchError, match="fit one with `workbench lens fit"):
        lens_of(model)
    model.info = model.info.__class__(**{**vars(model.info), "where": str(tmp_path)})
    save_lens(some_lens(0, 1, d_model=width, model="its old name"), tmp_path / "jacobian_lens.pt")
    assert lens_of(model).model == "its old name"
