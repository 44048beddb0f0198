"""Where in depth one token reads from each of the others: attention knock-out.

The windows of layers l - k to l + k as in Geva et al. 2023 (2304.14767). The tokens before the
query are as in the clean run, so that a cell costs the positions from the query on, and the layers
from the window on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import array_of, kept_index
from workbench.base.work import Stop, Work, finish
from workbench.engine.changed_run import changed_finals_of
from workbench.engine.changes import Changes
from workbench.errors import WorkbenchError
from workbench.experiment.knockouts import Knockout
from workbench.flow.results import KNOCKOUT, KnockoutMap, Matrix, Score
from workbench.flow.scorer import accuracy_of
from workbench.flow.settings import KnockoutSettings

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

DIFFERENT = "..."
"""Stands for a token that is not the same in all prompts."""


def knockout_map(
    experiment: Experiment,
    *,
    settings: KnockoutSettings | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> KnockoutMap:
    """What it does that one token does not see each of the others, window by window of layers.

    Args:
        experiment: from `prepare`.
        settings: None for the defaults.
        progress: told the fraction done.
        cancel: stops it when set.

    Raises:
        Cancelled: it was stopped.
        WorkbenchError: there is no such pair, or no prompt has the query's position.
    """
    return finish(asking_knockout_map(experiment, settings or KnockoutSettings()), progress, cancel)


def asking_knockout_map(experiment: Experiment, settings: KnockoutSettings) -> Work[KnockoutMap]:
    """`knockout_map` in pieces, a layer each."""
    n_layers = len(experiment.parts.layers)
    reach = settings.reach_in(n_layers)
    rows = _Rows(experiment, settings)
    effects, correct, whole = [], [], []
    for layer in range(n_layers):
        around = range(max(0, layer - reach), min(n_layers, layer + reach + 1))
        metric, right = rows.without(tuple(around))
        effects.append(rows.mean(metric[:, 1:] - rows.clean[:, None]))
        correct.append(rows.mean(right[:, 1:]))
        whole.append(rows.of_all(metric[:, 0] - rows.clean))
        yield (layer + 1) / n_layers
    query = _called(settings.query)
    return KnockoutMap(
        query=settings.query,
        positions=tuple(rows.positions),
        tokens=tuple(rows.tokens()),
        n_at=tuple(int(n) for n in rows.known.sum(0)),
        reach=reach,
        effect=_matrix(effects),
        accuracy=_matrix(correct),
        all_others=tuple(whole),
        metric_name=experiment.metric_name,
        base=Score(rows.of_all(rows.right), rows.of_all(rows.clean)),
        pair=settings.pair,
        definition=KNOCKOUT.format(query=query, reach=reach),
    )


class _Rows:
    """The positions before a query, counted from the prompts' ends.

    Attributes:
        positions: below zero, in the prompts' order.
        known: bool [pair, position], whether a pair is asked about and has it before the query.
        clean, right: [pair], the metric of the model and whether it is right.
    """

    def __init__(self, experiment: Experiment, settings: KnockoutSettings) -> None:
        self._experiment, self._settings = experiment, settings
        groups, n_pairs = experiment.batch.groups, experiment.n_pairs
        if settings.pair is not None and not 0 <= settings.pair < n_pairs:
            raise WorkbenchError(f"There is no pair {settings.pair + 1}: the task has {n_pairs}.")
        self._longest = max(group.clean.shape[1] for group in groups)
        query, length = settings.query, np.zeros(n_pairs, dtype=int)
        for group in groups:
            length[list(group.indices)] = group.clean.shape[1]
        self._asked = np.ones(n_pairs, dtype=bool)
        if settings.pair is not None:
            self._asked = np.arange(n_pairs) == settings.pair
        self._asked &= (length > query) if query >= 0 else (length >= -query)
        if not self._asked.any():
            raise WorkbenchError(f"No prompt that is asked about has a position {query}.")
        place = query if query >= 0 else length + query
        before = np.arange(-self._longest, 0)[None] + length[:, None]
        known = (before >= 0) & (before < np.reshape(place, (-1, 1))) & self._asked[:, None]
        columns = known.any(0)
        self.positions = [int(p) for p in np.arange(-self._longest, 0)[columns]]
        self.known: NDArray[np.bool_] = known[:, columns]
        self.clean = np.asarray(experiment.clean.per_pair, dtype=np.float64)
        finals = [r.whole.final[:, -1:] for r in experiment.recordings]
        self._accuracies = [accuracy_of(metric) for metric in experiment.metrics]
        self.right = experiment.in_order(
            [one.of_residual(f) for one, f in zip(self._accuracies, finals, strict=True)]
        )[:, 0]

    def without(self, layers: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metric and whether it is right, [pair, 1 + position], without these layers' attention.

        Of seeing nothing but itself and the first first, then of not seeing one position each.
        """
        experiment, query = self._experiment, self._settings.query
        metric, right = [], []
        for number, group in enumerate(experiment.batch.groups):
            length = group.clean.shape[1]
            place = query if query >= 0 else length + query
            seen = [p for p in self.positions if 0 <= p + length < place] if place > 0 else []
            every = Knockout(layers, (query,), keep_self=True, keep_first=True)
            ways = [Changes((every,))] if seen else [Changes()]
            ways += [Changes((Knockout(layers, (query,), (p,)),)) for p in seen]
            final = changed_finals_of(experiment, number, ways)
            of = experiment.metrics[number]
            metric.append(self._spread(of.of_residual(final), seen))
            right.append(self._spread(self._accuracies[number].of_residual(final), seen))
        return experiment.in_order(metric), experiment.in_order(right)

    def _spread(self, values: Tensor, seen: Sequence[int]) -> Tensor:
        """Values [pair, 1 + seen] at the columns of their positions; NaN elsewhere."""
        spread = values.new_full((len(values), 1 + len(self.positions)), float("nan"))
        columns = (0, *(1 + self.positions.index(p) for p in seen))
        spread[:, kept_index(columns, values.device)] = values
        return spread

    def mean(self, values: NDArray[np.float64]) -> list[float | None]:
        """The mean of [pair, position] at each position, over the pairs that have it."""
        return [
            float(values[self.known[:, i], i].mean()) if self.known[:, i].any() else None
            for i in range(len(self.positions))
        ]

    def of_all(self, values: NDArray[np.float64]) -> float:
        """The mean of [pair] over the pairs asked about."""
        return float(values[self._asked].mean())

    def tokens(self) -> Iterator[str]:
        """What stands at each position, if it is the same in all prompts asked about."""
        batch = self._experiment.batch
        prompts = [array_of(group.clean) for group in batch.groups]
        for i, position in enumerate(self.positions):
            found = {
                int(tokens[row, position])
                for group, tokens in zip(batch.groups, prompts, strict=True)
                for row, index in enumerate(group.indices)
                if self.known[index, i]
            }
            yield batch.encoding.pieces(list(found))[0] if len(found) == 1 else DIFFERENT


def _matrix(by_layer: Sequence[Sequence[float | None]]) -> Matrix:
    """[position, layer] of [layer][position]."""
    return tuple(zip(*by_layer, strict=True))


def _called(query: int) -> str:
    return "the last token" if query == -1 else f"the token at position {query}"
