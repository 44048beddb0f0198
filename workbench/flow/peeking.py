"""The last token run on after a wait, looking at the others in chosen layers and heads.

The other tokens never see the last one, so that what they are from the wait on is computed once,
and the last token alone is run anew for each choice. Choices that agree up to a layer share the run
up to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.engine.changed_run import residual_after, run_block
from workbench.engine.residual_means import ResidualMeans
from workbench.flow.settings import AllForOneSettings
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Recording

Peeks = Mapping[int, frozenset[int] | None]
"""By the layer in which the last token looks at all, in which heads; None for all of them."""


class Waited:
    """One group of pairs after a wait.

    Args:
        recording: the clean run.
        tokens: clean prompts [pair, position].
        means: what stands in for the residual.
        first: the first layer that runs; 0: nothing waits.
        settings: what is masked.
    """

    def __init__(
        self,
        recording: Recording,
        tokens: Tensor,
        means: ResidualMeans,
        first: int,
        settings: AllForOneSettings,
    ) -> None:
        self._parts: ModelParts = recording.parts
        self._first, self._settings = first, settings
        self._length = tokens.shape[1]
        self._rotary = self._parts.rotations(torch.arange(self._length))
        residual = residual_after(recording.whole, first - 1)
        if first:
            residual = residual.clone()
            residual[:, 1:] = means.of(tokens, first - 1, by_token=True)[:, 1:]
            if self._length > 1:
                residual[:, -1] = means.of(tokens, first - 1, by_token=False)[:, -1]
        self._x = residual[:, None]
        self._before: list[tuple[Tensor, Tensor]] = []

    def free(self) -> Tensor:
        """The last residual with attention as ever from here on, [pair, 1, d_model]."""
        x = self._x
        with torch.no_grad():
            for index in range(self._first, len(self._parts.layers)):
                layer = self._parts.layers[index]
                x, _ = run_block(self._parts, layer, x, self._rotary[index], None, None)
        return x[:, :, -1]

    def _others(self) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of all tokens but the last, for each layer from the first on."""
        if self._before or self._length == 1:
            return self._before
        x, hidden = self._x[:, :, :-1], None
        if self._settings.others == "own":
            n = self._length - 1
            mask = ~torch.eye(n, dtype=torch.bool, device=x.device)
            mask[:, 0] = mask[:, 0] & (not self._settings.keep_first)
            hidden = mask[None, None, None]
        for index in range(self._first, len(self._parts.layers)):
            turn = self._rotary[index]
            turn = None if turn is None else (turn[0][:-1], turn[1][:-1])
            layer = self._parts.layers[index]
            x, (k, v) = run_block(self._parts, layer, x, turn, None, hidden)
            self._before.append((k[:, :, 0], v[:, :, 0]))
        return self._before

    def peek(self, choices: Sequence[Peeks]) -> Tensor:
        """The last residual where the last token peeks so, [pair, choice, d_model]."""
        with torch.no_grad():
            before = self._others()
            x, row_of = self._x[:, :, -1:], [0] * len(choices)
            for index in range(self._first, len(self._parts.layers)):
                seen = [choice.get(index, frozenset()) for choice in choices]
                kinds = list(dict.fromkeys(zip(row_of, seen, strict=True)))
                x = x[:, kept_index(tuple(row for row, _ in kinds), x.device)]
                place = {kind: i for i, kind in enumerate(kinds)}
                row_of = [place[kind] for kind in zip(row_of, seen, strict=True)]
                hidden = self._hidden([heads for _, heads in kinds])
                turn = self._rotary[index]
                turn = None if turn is None else (turn[0][-1:], turn[1][-1:])
                prefix = before[index - self._first] if before else None
                layer = self._parts.layers[index]
                x, _ = run_block(self._parts, layer, x, turn, prefix, hidden)
            return x[:, kept_index(tuple(row_of), x.device), -1]

    def _hidden(self, seen: Sequence[frozenset[int] | None]) -> Tensor | None:
        """What the last token does not see, [head, 1, choice, 1, key]; None for nothing."""
        if all(heads is None for heads in seen):
            return None
        hidden = torch.zeros(self._parts.n_heads, len(seen), self._length, dtype=torch.bool)
        for i, heads in enumerate(seen):
            if heads is not None:
                blind = [h for h in range(self._parts.n_heads) if h not in heads]
                hidden[blind, i, 1 if self._settings.keep_first else 0 : -1] = True
        return uploaded(hidden[:, None, :, None], self._x.device)
