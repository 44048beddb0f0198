"""OV and QK as readouts: of a prompt's token, of a typed one, of all answers; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.cases.readout_cases import PAIRS, case
from tests.support.references.heads import HeadsReference
from workbench.errors import WorkbenchError
from workbench.readouts.catalogue import read_out
from workbench.readouts.heads.ways import OV_WAYS, QK_WAYS
from workbench.readouts.shapes import Grid, Ranking, Rows
from workbench.readouts.target import find_target

HEAD = "a1.h1"
FAMILIES = ("gpt2", "llama", "neox")


def reference(family: str) -> HeadsReference:
    return HeadsReference(case(family).experiment.model.hf)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", OV_WAYS)
def test_ov_of_a_prompts_token(family: str, way: str) -> None:
    made, slow = case(family), reference(family)
    found = read_out(made.experiment, "ov", HEAD, pair=1, position=-2, way=way, k=5)
    group, row = made.experiment.batch.locate(1)
    token = group.clean[row, -2:-1]
    written = slow.writes(1, 1, slow.embedded(token, way.startswith("effective")))
    if way.endswith("carried") and family != "neox":  # whose last MLP reads beside its heads
        written = slow.carried(written)
    logits = slow.logits(written)[0]
    assert isinstance(found, Ranking)
    order = logits.argsort(descending=True)
    texts = made.experiment.batch.encoding.pieces([*order[:5].tolist(), *order[-5:].tolist()])
    assert [name for name, _ in found.values] == texts
    values = [value for _, value in found.values]
    expected = [*logits[order[:5]].tolist(), *logits[order[-5:]].tolist()]
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)
    rank = 1 + int((logits > logits[token]).sum())
    assert f", {rank} of {len(logits)}. " in found.definition


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("distance", [1, 3])
def test_qk_of_the_vocabulary(family: str, distance: int) -> None:
    made, slow = case(family), reference(family)
    target = find_target(made.experiment.batch, [" Mary"])
    assert target is not None and target.answers is not None
    token = target.answers[0][0]
    found = read_out(made.experiment, "qk", HEAD, pair=0, target=target, k=4, distance=distance)
    assert isinstance(found, Ranking) and found.title == f"{HEAD} from ' Mary' looks at"
    said = f"{distance} position" in found.definition
    assert said == (family != "gpt2")
    encoding = made.experiment.batch.encoding
    ids = {text: i for i, text in enumerate(encoding.pieces(range(len(encoding.tokenizer))))}
    names = [name for name, _ in found.values]
    keys = slow.embedded(torch.tensor([token, *(ids[name] for name in names)]), True)
    looks = [slow.looks(1, 1, keys[0], key, distance) for key in keys[1:]]
    # All are told beside the query's look at itself: the differences are the same.
    values = np.array([value for _, value in found.values])
    np.testing.assert_allclose(values - values[0], np.array(looks) - looks[0], atol=2e-3)
    assert list(values) == sorted(values, reverse=True)


def test_qk_of_a_prompts_own_tokens() -> None:
    made, slow = case("llama"), reference("llama")
    for way in QK_WAYS[2:]:
        grid = read_out(made.experiment, "qk", HEAD, pair=1, way=way)
        assert isinstance(grid, Grid)
        values = np.asarray(grid.values)
        group, row = made.experiment.batch.locate(1)
        x = slow.embedded(group.clean[row], "effective" in way)
        assert np.isnan(values[0, 1:]).all() and np.isfinite(np.tril(values)[5, :6]).all()
        for query, key in ((5, 2), (3, 0)):
            look = slow.looks(1, 1, x[query], x[key], query - key)
            assert values[query, key] - values[query, query] == pytest.approx(look, abs=2e-3)


@pytest.mark.parametrize("name", ["ov", "qk"])
def test_of_all_prompts_there_is_a_line_for_each_word(name: str) -> None:
    experiment = case("gpt2").experiment
    found = read_out(experiment, name, HEAD)
    assert isinstance(found, Rows)
    firsts = [row[0] for row in found.rows]
    assert " Mary" in firsts[0] or any("Mary" in first for first in firsts)
    one = read_out(experiment, name, HEAD, pair=0, target=find_target(experiment.batch, [" Mary"]))
    (line,) = (row for row in found.rows if row[0] == "' Mary'")
    assert f"{line[2]} of " in one.definition
    two = find_target(experiment.batch, [" Mary", " John"])
    assert [row[0] for row in read_out(experiment, name, HEAD, target=two).rows] == [
        "' Mary'",
        "' John'",
    ]


@pytest.mark.parametrize("name", ["ov", "qk"])
def test_what_is_refused(name: str) -> None:
    experiment = case("gpt2").experiment
    for node, more, said in (
        ("m0", {}, "Only heads"),
        ("a9.h9", {}, "a9"),
        (HEAD, {"way": "nothing"}, "no way 'nothing'; choose one of: effective"),
        (HEAD, {"pair": len(PAIRS)}, "no pair"),
        (HEAD, {"pair": 0, "position": 40}, "outside of a prompt"),
        (HEAD, {"run": "corrupted"}, "reads clean, not corrupted"),
        (HEAD, {"pair": 0, "k": 0}, "at least one token"),
    ):
        with pytest.raises(WorkbenchError, match=said):
            read_out(experiment, name, node, **more)
    with pytest.raises(WorkbenchError, match="has no way 'effective'; it has one only"):
        read_out(experiment, "lens", "m0", way="effective")
    with pytest.raises(WorkbenchError, match="ahead of the query"):
        read_out(experiment, "qk", HEAD, distance=-1)
