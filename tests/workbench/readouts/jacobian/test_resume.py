"""`fit_lens`: a fit of a text that may be stopped and gone on with."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
import torch

from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.errors import Cancelled, WorkbenchError
from workbench.models.model import Model
from workbench.readouts.jacobian import fit
from workbench.readouts.jacobian.files import load_lens
from workbench.readouts.jacobian.resume import fit_lens, texts_in

TEXTS = [
    "The war went from the year 1741 to the year",
    "The keys near the table near the store",
    "The",
    "The books from the store and the keys near the table",
]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(fit, "ROWS_TOKENS", 64)  # several pieces a prompt
    return Model.from_hf(*tiny_llama(layers=2, heads=2), name="tiny")


def test_a_stopped_fit_goes_on_and_comes_to_the_same(tmp_path: Path, model: Model) -> None:
    whole = fit_lens(model, TEXTS, tmp_path / "whole.pt", skip=2)
    assert (whole.lens.n_prompts, whole.too_short, whole.complete) == (3, 1, True)
    path, part, stop = tmp_path / "lens.pt", tmp_path / "lens.pt.part", Event()
    seen: list[float] = []

    def until_half(words: str, fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.5:
            stop.set()

    first = fit_lens(model, TEXTS, path, skip=2, progress=until_half, cancel=stop)
    assert not first.complete and first.lens.n_prompts == 1
    assert part.exists() and not path.exists()
    for texts, skip in ((TEXTS[:2], 2), (TEXTS, 1)):
        with pytest.raises(WorkbenchError, match="of another fit"):
            fit_lens(model, texts, path, skip=skip)
    begun: list[float] = []
    second = fit_lens(model, TEXTS, path, skip=2, progress=lambda words, f: begun.append(f))
    assert second.resumed == 1 and second.complete and begun[0] > 1 / 3
    assert not part.exists()
    for depth, matrix in whole.lens.matrices.items():
        assert torch.equal(matrix, second.lens.matrices[depth])
    assert load_lens(path).check(model).n_prompts == 3


def test_a_fit_that_has_done_nothing_leaves_nothing(tmp_path: Path, model: Model) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        fit_lens(model, TEXTS, tmp_path / "lens.pt", skip=2, cancel=stop)
    assert not list(tmp_path.iterdir())


def test_a_damaged_part_is_one_sentence(tmp_path: Path, model: Model) -> None:
    (tmp_path / "lens.pt.part").write_bytes(b"torn")
    with pytest.raises(WorkbenchError, match="of another fit, or damaged"):
        fit_lens(model, TEXTS, tmp_path / "lens.pt", skip=2)


def test_joined_lines_are_cut_to_length(tmp_path: Path, model: Model) -> None:
    found = fit_lens(model, TEXTS, tmp_path / "lens.pt", joined=True, skip=1, length=8, prompts=2)
    count = len(model.tokenizer("\n".join(TEXTS))["input_ids"])
    assert found.n_prompts == 2 and count > 16
    cut = model.tokenizer("\n".join(TEXTS))["input_ids"][:16]
    apart = fit_lens(
        model,
        [model.tokenizer.decode(cut[:8]), model.tokenizer.decode(cut[8:])],
        tmp_path / "apart.pt",
        skip=1,
    )
    for depth, matrix in apart.lens.matrices.items():
        assert torch.equal(matrix, found.lens.matrices[depth])


def test_texts_that_will_not_do(tmp_path: Path, model: Model) -> None:
    with pytest.raises(WorkbenchError, match=r"longest has .* tokens, and a lens that skips 16"):
        fit_lens(model, TEXTS, tmp_path / "lens.pt")
    with pytest.raises(WorkbenchError, match="leave nothing to fit"):
        fit_lens(model, TEXTS, tmp_path / "lens.pt", skip=9, length=10)
    with pytest.raises(WorkbenchError, match="folder does not exist"):
        fit_lens(model, TEXTS, tmp_path / "no" / "lens.pt", skip=2)
    short = Model.from_hf(*tiny_gpt2(layers=2, heads=2), name="short")
    with pytest.raises(WorkbenchError, match="has 64 positions: fit with --length 64"):
        fit_lens(short, TEXTS, tmp_path / "lens.pt", skip=2, length=65)
    assert fit_lens(short, TEXTS, tmp_path / "lens.pt", skip=2).complete
    file = tmp_path / "text.txt"
    file.write_text("\n one \n\ntwo\n", encoding="utf-8")
    assert texts_in(file) == ["one", "two"]
    for data, said in ((b" \n", "is empty"), (b"\xff\xfe\x00", "binary")):
        file.write_bytes(data)
        with pytest.raises(WorkbenchError, match=said):
            texts_in(file)
