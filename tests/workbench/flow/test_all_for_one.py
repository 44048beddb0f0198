"""All for one against plain transformers under hooks, and what has to hold by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.engine_cases import Case
from tests.support.cases.family_cases import family_case
from tests.support.references.masked import MaskedReference, Replace
from tests.workbench.engine.test_changed_run import FEW, means_of
from workbench.engine.changed_run import changed_finals
from workbench.engine.changes import Changes, Replacement
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.knockouts import Knockout
from workbench.experiment.prepare import load_task, prepare
from workbench.flow.all_for_one import all_for_one
from workbench.flow.peeking import Waited
from workbench.flow.scorer import Scorer, accuracy_of
from workbench.flow.settings import AllForOneSettings
from workbench.models.model import load_model
from workbench.transformer.forward import unembed

families = pytest.mark.parametrize("name", FEW)
SETTINGS = [
    AllForOneSettings(others=others, keep_first=first)
    for others in ("own", "all")
    for first in (True, False)
]
CLOSE = 5e-5


@cache
def case(name: str) -> Case:
    """Prompts of two lengths; two of three have the same token in one place."""
    return family_case(name, 11, (((0, 2, 3), 7, 2), ((1, 4), 5, 1)))


def expected(
    name: str, first: int, peeks: dict[int, Iterable[int]], settings: AllForOneSettings
) -> list[Tensor]:
    """Each group's logits, by the definition written out anew."""
    c, reference = case(name), MaskedReference(case(name).model.hf)
    found = []
    for group in c.experiment.batch.groups:
        tokens = group.clean.tolist()
        n, length = group.clean.shape
        clean = reference.residuals(group.clean)[first]
        hidden = {}
        for layer in range(first, c.model.info.layers):
            mask = torch.zeros(c.model.info.heads, length, length, dtype=torch.bool)
            for q in range(length):
                for k in range(q):
                    if k == 0 and settings.keep_first:
                        continue
                    if q < length - 1:
                        mask[:, q, k] = settings.others == "own"
                    else:
                        for head in range(c.model.info.heads):
                            mask[head, q, k] = head not in peeks.get(layer, ())
            hidden[layer] = mask

        waited = clean.clone()
        for row in range(n):
            for p in range(1, length):
                alike = [r for r in range(n) if p == length - 1 or tokens[r][p] == tokens[row][p]]
                waited[row, p] = torch.stack([clean[r, p] for r in alike]).mean(0)
        wait: dict[int, Replace] = {first - 1: partial(lambda made, _: made, waited)}
        found.append(reference.logits(group.clean, hidden, wait if first else {}))
    return found


@families
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_peeking_is_the_models_with_masks(name: str, settings: AllForOneSettings) -> None:
    c, means = case(name), means_of(case(name))
    heads = range(c.model.info.heads)
    for first in range(c.model.info.layers):
        asked: list[dict[int, Iterable[int]]] = [
            {},
            dict.fromkeys(range(first, c.model.info.layers), heads),
            {c.model.info.layers - 1: heads},
            {first: (0, 2)},
        ]
        choices = [
            {layer: None if of is heads else frozenset(of) for layer, of in one.items()}
            for one in asked
        ]
        finals = [
            Waited(recording, group.clean, means, first, settings).peek(choices)
            for recording, group in zip(
                c.experiment.recordings, c.experiment.batch.groups, strict=True
            )
        ]
        for i, peeks in enumerate(asked):
            for final, logits in zip(finals, expected(name, first, peeks, settings), strict=True):
                ours = unembed(c.model.parts, final[:, i]).double()
                torch.testing.assert_close(ours, logits.double(), rtol=2e-5, atol=CLOSE)


@families
def test_waiting_alone_is_a_replaced_residual(name: str) -> None:
    c, means = case(name), means_of(case(name))
    for first in range(c.model.info.layers):
        way = Changes()
        if first:
            way = Changes((), (Replacement(first - 1, None, "context-mean"),))
        for number, group in enumerate(c.experiment.batch.groups):
            recording = c.experiment.recordings[number]
            free = Waited(recording, group.clean, means, first, SETTINGS[0]).free()
            other = changed_finals(c.experiment, [way], means)[number]
            torch.testing.assert_close(free, other, rtol=2e-5, atol=CLOSE)


def as_changes(first: int, n: int, n_layers: int, length: int, others: str) -> Changes:
    """A cell of the map as changes of a whole run."""
    after, peeks = range(first, n_layers), range(first, first + n)
    blind = tuple(layer for layer in after if layer not in peeks)
    knockouts = [Knockout(blind, (-1,), keep_self=True, keep_first=True)] if blind else []
    if others == "own":
        own = tuple(range(length - 1))
        knockouts.append(Knockout(tuple(after), own, keep_self=True, keep_first=True))
    wait = (Replacement(first - 1, None, "context-mean"),) if first else ()
    return Changes(tuple(knockouts), wait)


@pytest.mark.parametrize("others", ["own", "all"])
def test_the_map_is_its_cells(others: str) -> None:
    """Whole = pieces: every cell by a whole run of its own, on prompts of one length."""
    experiment = prepare(load_model("known", device="cpu"), "induction", pairs=6)
    (length,) = (group.length for group in experiment.batch.groups)
    settings = AllForOneSettings(others=others)  # type: ignore[arg-type]
    found = all_for_one(experiment, settings=settings)
    scorer = Scorer(experiment)
    means = means_of(Case(experiment.model, experiment, [], [], []))
    n_layers = experiment.model.info.layers
    assert len(found.accuracy) == n_layers
    for first, row in enumerate(found.metric):
        ways = [as_changes(first, n, n_layers, length, others) for n in range(n_layers - first + 1)]
        scores = scorer.scores(changed_finals(experiment, ways, means))
        assert [value is None for value in row] == [n > n_layers - first for n in range(len(row))]
        assert row[: len(ways)] == pytest.approx([s.metric for s in scores], abs=2e-4)
        for accuracy, score in zip(found.accuracy[first], scores, strict=False):
            assert accuracy == score.accuracy


def test_peeking_everywhere_with_nothing_ablated_is_the_clean_run() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=8)
    found = all_for_one(experiment, settings=AllForOneSettings(others="all"))
    assert found.accuracy[0][-1] == found.base.accuracy == 1
    assert found.metric[0][-1] == pytest.approx(found.base.metric, abs=1e-4)
    assert found.waiting[0].metric == pytest.approx(found.base.metric, abs=1e-4)
    right = np.array(experiment.clean.correct_per_pair)
    assert found.n_right == right.sum()
    assert found.base.metric == pytest.approx(
        float(np.array(experiment.clean.per_pair)[right].mean()), abs=1e-5
    )


def test_the_last_token_sees_nothing_of_a_prompt_in_which_nothing_is_peeked() -> None:
    """With nothing peeked after the wait every prompt ends alike, whatever it says."""
    experiment = prepare(load_model("pocket", device="cpu"), "greater-than", pairs=6)
    means = means_of(Case(experiment.model, experiment, [], [], []))
    for recording, group in zip(experiment.recordings, experiment.batch.groups, strict=True):
        for first in (1, 3):
            (final,) = (
                Waited(recording, group.clean, means, first, SETTINGS[0]).peek([{}]).unbind(1)
            )
            assert torch.allclose(final, final[:1].expand_as(final), atol=1e-4)


def test_what_suffices_does_and_what_is_needed_is() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "greater-than", pairs=16)
    settings = AllForOneSettings(measure="metric", others="all")
    found = all_for_one(experiment, settings=settings)
    assert found.wait is not None and found.window and found.transfer
    assert set(found.transfer) <= set(found.window)
    assert found.window == tuple(range(found.window[0], found.window[-1] + 1))
    assert found.window[0] >= found.wait
    scorer = Scorer(experiment)
    means = means_of(Case(experiment.model, experiment, [], [], []))
    groups = zip(experiment.recordings, experiment.batch.groups, strict=True)
    waited = [Waited(r, g.clean, means, found.wait, settings) for r, g in groups]

    def metric(layers: Iterable[int]) -> float:
        return scorer.scores([one.peek([dict.fromkeys(layers)]) for one in waited])[0].metric

    least = 0.9 * found.base.metric
    assert metric(found.transfer) == pytest.approx(found.transfer_score.metric, abs=1e-5)  # type: ignore[union-attr]
    assert metric(found.transfer) >= least > 0
    n_layers = experiment.model.info.layers
    for n in range(len(found.window)):  # no shorter window suffices
        for start in range(found.wait, n_layers - n + 1):
            assert metric(range(start, start + n)) < least
    layers = [one for one in found.necessary if one.head is None]
    assert [one.layer for one in layers] == list(found.transfer)
    for one in layers:
        left = [layer for layer in found.transfer if layer != one.layer]
        assert one.score.metric == pytest.approx(metric(left), abs=1e-5)
        assert one.needed and one.score.metric < least
    for later in range(found.wait + 1, n_layers):  # no longer wait does
        free = [found.waiting[first].metric >= least for first in range(later + 1)]
        assert not (all(free) and found.metric[later][n_layers - later] >= least)  # type: ignore[operator]


def test_more_prompts_for_the_means() -> None:
    model = load_model("pocket", device="cpu")
    experiment = prepare(model, "greater-than", pairs=8)
    few = all_for_one(experiment)
    many = all_for_one(experiment, over=prepare(model, "greater-than", pairs=64).batch)
    assert few.n_prompts == 8 and many.n_prompts == 64
    assert many.alone < few.alone
    assert any("one prompt alone" in remark for remark in few.remarks)
    again = all_for_one(experiment, over=experiment.batch)
    assert again.n_prompts == 8 and again.metric == few.metric


def test_progress_goes_on_and_it_can_be_stopped() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=4)
    seen: list[float] = []
    all_for_one(experiment, progress=seen.append)
    assert all(a <= b for a, b in pairwise(seen)) and 0 < seen[0] < seen[-1] <= 1
    stop = threading.Event()
    seen.clear()

    def one(fraction: float) -> None:
        seen.append(fraction)
        stop.set()

    with pytest.raises(Cancelled):
        all_for_one(experiment, progress=one, cancel=stop)
    assert len(seen) == 1


def test_what_cannot_be_asked_is_refused() -> None:
    for wrong in ({"level": 0.0}, {"level": 1.5}, {"others": "none"}, {"measure": "kl"}):
        with pytest.raises(WorkbenchError):
            AllForOneSettings(**wrong)
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=4, metric="kl")
    with pytest.raises(WorkbenchError, match="no share"):
        all_for_one(experiment, settings=AllForOneSettings(measure="metric"))


def test_accuracy_from_the_answers_logits_is_the_accuracy() -> None:
    for task in ("greater-than", "ioi", "induction"):
        experiment = prepare(load_model("pocket", device="cpu"), task, pairs=12)
        (metric,), (recording,) = experiment.metrics, experiment.recordings
        generator = torch.Generator().manual_seed(0)
        clean = recording.whole.final[:, -1:]
        noise = torch.randn(len(clean), 40, clean.shape[2], generator=generator)
        finals = clean + 3 * clean.std() * noise
        few = accuracy_of(metric)
        assert few.parts.w_u.shape[1] < metric.parts.w_u.shape[1]
        expected = metric.named("accuracy").of_residual(finals)
        assert torch.equal(few.of_residual(finals), expected)
        assert 0 < float(expected.mean()) < 1


def test_answers_without_wrong_ones_have_to_beat_the_whole_vocabulary() -> None:
    model = load_model("pocket", device="cpu")
    task = load_task("ioi", model, pairs=4)
    alone = replace(task, pairs=tuple(replace(pair, wrong_answers=()) for pair in task.pairs))
    experiment = prepare(model, alone, metric="accuracy")
    (metric,) = experiment.metrics
    assert accuracy_of(metric).parts is metric.parts
    assert all_for_one(experiment).accuracy[0][-1] is not None
