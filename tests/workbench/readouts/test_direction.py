"""Directions of the residual stream, against plain transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.support.cases.readout_cases import FAMILIES, PAIRS, case
from workbench.errors import WorkbenchError
from workbench.readouts.catalogue import read_out
from workbench.readouts.direction import (
    REST,
    Direction,
    along_direction,
    direction_lens,
    find_direction,
)
from workbench.readouts.jacobian.lens import JacobianLens


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", [None, 3])
def test_the_lens_of_a_direction_equals_the_reference(family: str, pair: int | None) -> None:
    made = case(family)
    width = made.experiment.model.parts.d_model
    vector = torch.randn(width, generator=torch.Generator().manual_seed(2))
    chosen = range(len(PAIRS)) if pair is None else [pair]
    each = []
    for i in chosen:
        final = made.written(i).nodes["logits"][-2]
        logits = made.reference.logits_of(vector.double(), final, biases=False)
        each.append(logits - logits.mean())
    wanted = torch.stack(each).mean(0)
    view = direction_lens(
        made.experiment, direction=Direction("some", vector), position=-2, pair=pair, k=4
    )
    order = wanted.argsort(descending=True).tolist()
    ids = [*order[:4], *order[-4:]]
    assert [token for token, _ in view.values] == made.experiment.batch.encoding.pieces(ids)
    assert [v for _, v in view.values] == pytest.approx(wanted[ids].tolist(), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_how_far_nodes_write_along_it_sums_to_the_residual(family: str, run: str) -> None:
    made = case(family)
    width = made.experiment.model.parts.d_model
    vector = torch.randn(width, generator=torch.Generator().manual_seed(3))
    unit = (vector / vector.norm()).double()
    view = along_direction(made.experiment, direction=Direction("some", vector), run=run)
    rows = dict(view.values)
    assert [abs(v) for _, v in view.values] == sorted(map(abs, rows.values()), reverse=True)
    nodes = made.written(0, run).nodes
    for node in nodes:
        wanted = np.mean([float(made.written(i, run).nodes[node][-1] @ unit) for i in range(5)])
        if node == "logits":
            assert sum(rows.values()) == pytest.approx(wanted, abs=1e-4)
        else:
            assert rows[node] == pytest.approx(wanted, abs=1e-4)
    assert set(rows) == {*nodes, REST} - {"logits"}


def test_through_a_lens_and_as_a_difference() -> None:
    made = case("llama")
    width = made.experiment.model.parts.d_model
    vector = torch.randn(width, generator=torch.Generator().manual_seed(4))
    matrix = torch.randn(width, width, generator=torch.Generator().manual_seed(5))
    lens = JacobianLens({1: matrix}, width, 1)
    carried = direction_lens(
        made.experiment, direction=Direction("x", vector), through=lens, after=0
    )
    plain = direction_lens(made.experiment, direction=Direction("Jx", matrix @ vector))
    assert [v for _, v in carried.values] == pytest.approx([v for _, v in plain.values], abs=1e-4)
    late = direction_lens(made.experiment, direction=Direction("x", vector), through=lens, after=1)
    own = direction_lens(made.experiment, direction=Direction("x", vector))
    assert late.values == own.values
    both = [
        dict(along_direction(made.experiment, direction=Direction("x", vector), run=run).values)
        for run in ("clean", "corrupted", "clean-corrupted")
    ]
    for node, value in both[2].items():
        assert value == pytest.approx(both[0][node] - both[1][node], abs=1e-4)


def test_directions_by_token_and_from_files(tmp_path: Path) -> None:
    made = case("gpt2")
    experiment, hf = made.experiment, made.reference.model
    width = experiment.model.parts.d_model
    token = experiment.model.tokenizer(" John")["input_ids"][0]
    column = find_direction(experiment, "unembed: John")
    assert column.name == "unembed:' John'"
    torch.testing.assert_close(column.vector.double(), hf.lm_head.weight[token].detach())
    row = find_direction(experiment, "embed: John").vector
    torch.testing.assert_close(row.double(), hf.transformer.wte.weight[token].detach())
    rows = torch.randn(3, width)
    np.save(tmp_path / "one.npy", rows[1].numpy())
    np.save(tmp_path / "rows.npy", rows.numpy())
    save_file({"steer": rows, "bias": rows[0].clone()}, tmp_path / "some.safetensors")
    torch.save(rows[2].clone(), tmp_path / "one.pt")
    torch.save({"a": rows, "note": "words"}, tmp_path / "named.pt")
    for text, wanted in (
        ("one.npy", rows[1]),
        ("rows.npy:2", rows[2]),
        ("some.safetensors:steer:1", rows[1]),
        ("some.safetensors:bias", rows[0]),
        ("one.pt", rows[2]),
        ("named.pt:a:0", rows[0]),
    ):
        assert torch.equal(find_direction(experiment, str(tmp_path / text)).vector, wanted), text
    found = read_out(experiment, "direction", direction=str(tmp_path / "one.npy"), pair=0)
    assert found == direction_lens(experiment, direction=str(tmp_path / "one.npy"), pair=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Name the direction"),
        ("nowhere.npy", "names no direction"),
        ("embed:nosuchword", "has to be exactly one"),
        ("rows.npy", "holds 3 rows: name one"),
        ("rows.npy:7", "has rows 0 to 2, and not 7"),
        ("short.npy", "is a vector of 3 numbers, and the residual stream"),
        ("zero.npy", "zero or infinite"),
        ("whole.npy", "no vector of fractions"),
        ("torn.npy", "no whole .npy, .pt or .safetensors file"),
        ("objects.npy", "no whole .npy"),
        ("torn.safetensors", "no whole .npy"),
        ("some.safetensors", "several tensors; name one"),
        ("some.safetensors:third", "holds no tensor 'third'"),
        ("words.pt", "holds no tensors"),
    ],
)
def test_what_is_no_direction_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = case("gpt2").experiment
    width = experiment.model.parts.d_model
    np.save("rows.npy", np.ones((3, width), np.float32))
    np.save("short.npy", np.ones(3, np.float32))
    np.save("zero.npy", np.zeros(width, np.float32))
    np.save("whole.npy", np.ones(width, np.int64))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("torn.npy").write_bytes(b"\x93NUMPY")
    Path("torn.safetensors").write_bytes(b"\xff" * 20)
    save_file({"a": torch.ones(width), "b": torch.ones(width)}, "some.safetensors")
    torch.save({"words": "none"}, "words.pt")
    with pytest.raises(WorkbenchError) as caught:
        direction_lens(experiment, direction=text)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(WorkbenchError, match="is of no direction"):
        read_out(experiment, "residual", direction="embed: war")
