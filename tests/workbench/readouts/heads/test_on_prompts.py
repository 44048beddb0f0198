"""Heads at a place of the prompts, against the attentions and outputs of plain transformers."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from tests.support.cases.readout_cases import PAIRS, case
from workbench import find_heads, heads_at, load_model, prepare
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.heads.patterns import PATTERNS


def by_hand(row: torch.Tensor, ids: list[int]) -> dict[str, float]:
    """The columns of one pair, from where the model's own attention looks from its last key."""
    here = len(ids) - 1
    same = torch.tensor([at < here and ids[at] == ids[here] for at in range(here + 1)])
    after = torch.zeros_like(same)
    after[1:] = same[:-1]
    after[here] = False
    places = torch.arange(here + 1, dtype=row.dtype)
    return {
        "previous": float(row[here - 1]) if here else math.nan,
        "duplicate": float(row[same].sum()) if same.any() else math.nan,
        "induction": float(row[after].sum()) if after.any() else math.nan,
        "self": float(row[here]),
        "first": float(row[0]) if here else math.nan,
        "entropy": float(torch.special.entr(row).sum()),
        "distance": float((row * (here - places)).sum()),
    }


def mean(values: list[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else None


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_columns_are_of_the_models_own_attention_at_the_roles_last_token(
    family: str, run: str
) -> None:
    made = case(family)
    experiment = made.experiment
    roles = experiment.batch.roles
    for role in roles.names:
        table = heads_at(experiment, role, run=run)
        assert table.at is not None and table.at.n_pairs == len(roles.having(role))
        for head in table.heads:
            each: dict[str, list[float]] = {name: [] for name in PATTERNS}
            looks: dict[str, list[float]] = {name: [] for name in roles.names}
            for pair in roles.having(role):
                at = roles.positions(role, pair)[-1]
                group, place = experiment.batch.locate(pair)
                ids = (group.clean if run == "clean" else group.corrupted)[place].tolist()
                row = made.written(pair, run).patterns[head][at, : at + 1]
                for name, value in by_hand(row, ids[: at + 1]).items():
                    each[name].append(value)
                for key in roles.names:
                    keys = [k for k in roles.positions(key, pair) if k <= at]
                    looks[key].append(float(row[keys].sum()) if keys else math.nan)
            for name in PATTERNS:
                wanted = mean(each[name])
                assert table.value(head, name) == (
                    None if wanted is None else pytest.approx(wanted, abs=1e-5)
                ), (role, head, name)
            for key, values in looks.items():
                wanted = mean(values)
                assert table.value(head, f"@{key}") == (
                    None if wanted is None else pytest.approx(wanted, abs=1e-5)
                )
            most = table.most(head)
            assert most == tuple(sorted(most, key=lambda one: -abs(one[1])))


def test_where_a_name_stood_before_and_what_followed_it_by_plain_transformers() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=4)
    hf = copy.deepcopy(experiment.model.hf)
    hf.set_attn_implementation("eager")
    table = heads_at(experiment, "S2")
    roles = experiment.batch.roles
    found: dict[str, list[tuple[float, float]]] = {head: [] for head in table.heads}
    for pair in range(4):
        group, place = experiment.batch.locate(pair)
        first, second = roles.positions("S1", pair)[0], roles.positions("S2", pair)[0]
        with torch.no_grad():
            seen = hf(group.clean[[place]], output_attentions=True).attentions
        for head in table.heads:
            layer, number = head[1:].split(".h")
            row = seen[int(layer)][0, int(number), second]
            found[head].append((float(row[first]), float(row[first + 1])))
    assert max(one for values in found.values() for one, _ in values) > 0.5
    for head, values in found.items():
        duplicate, induction = (sum(side) / 4 for side in zip(*values, strict=True))
        assert table.value(head, "duplicate") == pytest.approx(duplicate, abs=1e-5)
        assert table.value(head, "induction") == pytest.approx(induction, abs=1e-5)
        assert table.value(head, "@S1") == pytest.approx(duplicate, abs=1e-5)


def test_direct_is_the_attribution_there_and_a_difference_is_one() -> None:
    experiment = case("llama").experiment
    role = experiment.batch.roles.names[-2]
    runs = {run: heads_at(experiment, role, run=run) for run in ("clean", "corrupted")}
    difference = heads_at(experiment, role, run="clean-corrupted")
    rows = direct_logit_attribution(experiment, position=role)
    for head in difference.heads:
        assert runs["clean"].value(head, "direct") == pytest.approx(rows.value(head), abs=1e-6)
        for name in ("direct", "entropy", "self"):
            one, other = (runs[run].value(head, name) for run in ("clean", "corrupted"))
            assert one is not None and other is not None
            assert difference.value(head, name) == pytest.approx(one - other, abs=1e-5)
    assert not any(difference.kinds_of(head) for head in difference.heads)
    full = InCircuit(Circuit.full(experiment.model.graph))
    circuit = heads_at(experiment, role, run=full)
    for name in circuit.columns:
        for mine, clean in zip(circuit.values[name], runs["clean"].values[name], strict=True):
            assert mine == (None if clean is None else pytest.approx(clean, abs=1e-4))


def test_of_one_pair_at_a_position_with_the_columns_by_weights() -> None:
    experiment = case("gpt2").experiment
    whole = find_heads(experiment.model, experiment)
    table = heads_at(experiment, 2, pair=1, table=whole)
    assert table.at is not None
    assert table.at.token == experiment.batch.tokens(1)[0][2] and table.at.n_pairs == 1
    assert table.values["copying"] == whole.values["copying"]
    assert table.values["previous"] != whole.values["previous"]
    assert sum(note.startswith("Patterns:") for note in table.notes) == 1
    assert sum(note.startswith("Direct attribution:") for note in table.notes) == 1
    assert len(table.notes) == len(whole.notes) and "prompt 2 of" in table.notes[0]
    assert table.definition("previous") != whole.definition("previous")
    assert table.definition("copying") == whole.definition("copying")
    role = experiment.batch.roles.at(1)[0]
    best = table.ordered(f"@{role}")[0]
    share = table.value(best, f"@{role}")
    assert share is not None and share == max(v for v in table._column(f"@{role}") if v)
    assert best in table.matching(f"@{role}>{share - 1e-6:.7f}")
    assert f"@{role}" in table.table().columns and f"@{role}" in table.to_json()["heads"][0]
    assert table.to_json()["at"]["position"] == 2 and whole.to_json()["at"] is None


def test_a_place_that_is_not_there_is_refused() -> None:
    experiment = case("gpt2").experiment
    with pytest.raises(WorkbenchError, match="No pair has a role 'XX'"):
        heads_at(experiment, "XX")
    with pytest.raises(WorkbenchError, match="outside of a prompt"):
        heads_at(experiment, 99)
    with pytest.raises(WorkbenchError, match="no pair"):
        heads_at(experiment, "END", pair=len(PAIRS))
    with pytest.raises(WorkbenchError, match="no column '@XX'"):
        heads_at(experiment, "END").ordered("@XX")
