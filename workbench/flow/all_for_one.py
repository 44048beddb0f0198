"""All for one: how long tokens may wait, and where the last one has to look at the others.

Mamidanna et al. 2025 (2509.09650). The means are taken once; then each first layer costs one run of
the other tokens from there on, and the last token's runs, which are of one position; so that the
whole map is cheaper than its cells (see `flow.peeking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.transfers import array_of, uploaded
from workbench.base.work import Stop, Work, finish, part
from workbench.engine.residual_means import ResidualMeans
from workbench.errors import WorkbenchError
from workbench.flow.peeking import Peeks, Waited
from workbench.flow.results import ALL_FOR_ONE, AllForOne, Dropped, Score
from workbench.flow.scorer import Scorer
from workbench.flow.settings import OTHERS, AllForOneSettings

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Batch

MANY_ALONE = 0.1
"""Share of replaced positions with nothing taken from them above which it is said."""


def all_for_one(
    experiment: Experiment,
    *,
    over: Batch | None = None,
    settings: AllForOneSettings | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> AllForOne:
    """Accuracy by how long tokens wait and the last one peeks, and the layers that suffice.

    Args:
        experiment: from `prepare`.
        over: prompts over which the means are taken besides the experiment's own.
        settings: None for the defaults.
        progress: told the fraction done.
        cancel: stops it when set.

    Raises:
        Cancelled: it was stopped.
        WorkbenchError: the model answers no pair rightly.
    """
    asked = settings or AllForOneSettings()
    return finish(asking_all_for_one(experiment, asked, over), progress, cancel)


def asking_all_for_one(
    experiment: Experiment, settings: AllForOneSettings, over: Batch | None = None
) -> Work[AllForOne]:
    """`all_for_one` in pieces."""
    scorer = Scorer(experiment)
    nothing = scorer.base.metric <= 0 or experiment.metric_name == "kl"
    if settings.measure == "metric" and nothing:
        raise WorkbenchError(
            f"The model's {experiment.metric_name} is {scorer.base.metric:.3g}, of which no share "
            "can be kept: go by the accuracy."
        )
    means = ResidualMeans(experiment.parts, [group.clean for group in experiment.batch.groups])
    yield from part(means.over(list(prompts_of(experiment, over))), 0.0, 0.1)
    sweep = _Sweep(experiment, settings, means, scorer)
    yield from part(sweep.rows(), 0.1, 0.85)
    found = yield from part(sweep.search(), 0.85, 1.0)
    wait, window, transfer, score, necessary = found
    alone = _alone(experiment, means)
    spared = " and the first" if settings.keep_first else ""
    return AllForOne(
        n_layers=len(experiment.parts.layers),
        n_pairs=experiment.n_pairs,
        n_right=int(scorer.right.sum()),
        metric_name=experiment.metric_name,
        base=scorer.base,
        waiting=tuple(sweep.waiting),
        accuracy=_matrix(sweep.grid, lambda s: s.accuracy),
        metric=_matrix(sweep.grid, lambda s: s.metric),
        level=settings.level,
        measure=settings.measure,
        wait=wait,
        window=window,
        transfer=transfer,
        transfer_score=score,
        necessary=necessary,
        n_prompts=means.n_prompts,
        alone=alone,
        definition=ALL_FOR_ONE.format(others=OTHERS[settings.others], first=spared),
        remarks=(*_remarks(experiment, settings, alone), *_guessed(sweep, settings)),
    )


class _Sweep:
    """The map, row by row, and the search in it."""

    def __init__(
        self,
        experiment: Experiment,
        settings: AllForOneSettings,
        means: ResidualMeans,
        scorer: Scorer,
    ) -> None:
        self._experiment, self._settings = experiment, settings
        self._means, self._scorer = means, scorer
        self._n_layers = len(experiment.parts.layers)
        self.waiting: list[Score] = []
        self.grid: list[list[Score]] = []

    def _waited(self, first: int) -> list[Waited]:
        groups = zip(self._experiment.recordings, self._experiment.batch.groups, strict=True)
        return [Waited(r, g.clean, self._means, first, self._settings) for r, g in groups]

    def rows(self) -> Work[None]:
        """Fill in both maps, first layer by first layer; what was run is let go of."""
        for first in range(self._n_layers):
            waited = self._waited(first)
            choices = [_window(first, n) for n in range(self._n_layers - first + 1)]
            self.grid.append(self._peek(waited, choices))
            if self._settings.others == "all":  # nothing is masked where the last one sees all
                self.waiting.append(self.grid[first][-1])
            else:
                self.waiting += self._scorer.scores([one.free() for one in waited])
            yield (first + 1) / self._n_layers

    def _peek(self, waited: Sequence[Waited], choices: Sequence[Peeks]) -> list[Score]:
        return self._scorer.scores([one.peek(choices) for one in waited])

    def enough(self, score: Score) -> bool:
        """Whether so much counts as all of it."""
        measure = self._settings.measure
        return score.of(measure) >= self._settings.level * self._scorer.base.of(measure) - 1e-9

    def search(
        self,
    ) -> Work[
        tuple[int | None, tuple[int, ...], tuple[int, ...], Score | None, tuple[Dropped, ...]]
    ]:
        """The longest wait, the shortest window after it, what of it is needed."""
        wait = self._longest_wait()
        if wait is None:
            return None, (), (), None, ()
        waited = self._waited(wait)
        window, measure = None, self._settings.measure
        for n in range(self._n_layers - wait + 1):
            starts = range(wait, self._n_layers - n + 1) if n else range(wait, wait + 1)
            scores = self._peek(waited, [_window(start, n) for start in starts])
            enough = [
                (score.of(measure), score.metric, -start)
                for start, score in zip(starts, scores, strict=True)
                if self.enough(score)
            ]
            yield 0.5 * (n + 1) / (self._n_layers - wait + 1)
            if enough:
                start = -max(enough)[2]
                window = tuple(range(start, start + n))
                break
        assert window is not None  # to peek in all layers suffices: so the wait was chosen
        transfer, score = self._without_the_spare(waited, window)
        yield 0.75
        return wait, window, transfer, score, self._necessary(waited, transfer)

    def _longest_wait(self) -> int | None:
        """The last first layer up to which accuracy holds, with attention free and with peeking."""
        found = None
        for first, free in enumerate(self.waiting):
            if not self.enough(free):
                break
            if self.enough(self.grid[first][-1]):
                found = first
        return found

    def _without_the_spare(
        self, waited: Sequence[Waited], window: tuple[int, ...]
    ) -> tuple[tuple[int, ...], Score]:
        """What is left when the layer that costs least is dropped again and again."""
        kept = window
        (score,) = self._peek(waited, [_layers(kept)])
        while kept:
            choices = [tuple(layer for layer in kept if layer != out) for out in kept]
            scores = self._peek(waited, [_layers(choice) for choice in choices])
            by = [(score.of(self._settings.measure), score.metric) for score in scores]
            best = by.index(max(by))
            if not self.enough(scores[best]):
                break
            kept, score = choices[best], scores[best]
        return kept, score

    def _necessary(
        self, waited: Sequence[Waited], transfer: tuple[int, ...]
    ) -> tuple[Dropped, ...]:
        """Each layer dropped from those that suffice, and each of its heads."""
        every = range(self._experiment.parts.n_heads)
        asked = [(layer, head) for layer in transfer for head in (None, *every)]
        if not asked:
            return ()
        choices: list[Peeks] = []
        for layer, head in asked:
            left = frozenset() if head is None else frozenset(every) - {head}
            choices.append({**_layers(transfer), layer: left})
        scores = self._peek(waited, choices)
        return tuple(
            Dropped(layer, head, score, not self.enough(score))
            for (layer, head), score in zip(asked, scores, strict=True)
        )


def _window(start: int, n: int) -> Peeks:
    return _layers(range(start, start + n))


def _layers(layers: Sequence[int]) -> dict[int, frozenset[int] | None]:
    """Peeking in these layers, with all heads."""
    return dict.fromkeys(layers)


def _matrix(
    grid: Sequence[Sequence[Score]], value: Callable[[Score], float]
) -> tuple[tuple[float | None, ...], ...]:
    """[first layer, number of layers], with None for what there is not."""
    width = max(len(row) for row in grid)
    return tuple((*(value(score) for score in row), *[None] * (width - len(row))) for row in grid)


def prompts_of(experiment: Experiment, over: Batch | None) -> Iterator[Tensor]:
    """The experiment's clean prompts, and those of `over` of the same lengths, each once."""
    known: dict[int, set[tuple[int, ...]]] = {}
    for group in experiment.batch.groups:
        yield group.clean
        known.setdefault(group.length, set()).update(map(tuple, array_of(group.clean).tolist()))
    for other in () if over is None else over.groups:
        if other.length in known:
            own = known[other.length]
            found = dict.fromkeys(map(tuple, array_of(other.clean).tolist()))
            rows = [row for row in found if row not in own]
            own.update(rows)
            if rows:
                yield uploaded(rows, experiment.batch.groups[0].clean.device)


def _alone(experiment: Experiment, means: ResidualMeans) -> float:
    """Share of the replaced positions whose mean is of one prompt alone."""
    counts = []
    for group in experiment.batch.groups:
        found = means.counts(group.clean, by_token=True)
        found[:, -1] = means.counts(group.clean, by_token=False)[:, -1]
        counts.append(found[:, 1:].flatten())
    every = torch.cat(counts)
    return float((every == 1).float().mean()) if len(every) else 0.0


def _guessed(sweep: _Sweep, settings: AllForOneSettings) -> Iterator[str]:
    blind = sweep.grid[-1][0]
    if sweep.enough(blind):
        yield (
            f"With all kept to themselves to the last layer the {settings.measure} is still "
            f"{blind.of(settings.measure):.3g}: what the prompts have in common answers them, so "
            "that it says little here."
        )


def _remarks(experiment: Experiment, settings: AllForOneSettings, alone: float) -> Iterator[str]:
    if alone > MANY_ALONE:
        yield (
            f"At {alone:.0%} of the replaced positions the mean is of one prompt alone, so that "
            "nothing was taken from them: take the means over more prompts."
        )
    begin = getattr(experiment.model.tokenizer, "bos_token_id", None)
    firsts = {t for group in experiment.batch.groups for t in array_of(group.clean[:, 0]).tolist()}
    if settings.keep_first and firsts != {begin}:
        yield (
            "The prompts do not begin with a BOS token: the first token, at which all may look, is "
            "one of the prompt's own."
        )
