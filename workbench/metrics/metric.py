"""Metrics of one forward pass, computed; `catalogue` has their names and definitions.

A metric reads the logits at the last position. It is computed per pair and averaged over pairs, so
that nothing depends on the size of the batch. Alternatives of a circuit are evaluated together:
final residuals come in as [pair, alternative, d_model].
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import uploaded
from workbench.metrics.catalogue import check_metric, find_metric
from workbench.plugins import resolve
from workbench.transformer.forward import unembed
from workbench.transformer.parts import ModelParts

LOGIT_BYTES = 128 * 2**20
"""What the logits of alternatives may take at once, in float32; one alternative has to fit."""


@dataclass(frozen=True)
class Answers:
    """Which tokens are right and wrong for the pairs of one group, padded into a rectangle.

    Attributes:
        right, wrong: token ids [pair, slot].
        right_weight, wrong_weight: [pair, slot], 1 for a real slot and 0 for padding.
    """

    right: Tensor
    wrong: Tensor
    right_weight: Tensor
    wrong_weight: Tensor

    @classmethod
    def of(
        cls,
        right: Sequence[Sequence[int]],
        wrong: Sequence[Sequence[int]],
        device: torch.device,
        dtype: torch.dtype,
    ) -> Answers:
        """The same from lists of token ids, padded to equal length."""

        def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
            width = max(1, max(len(row) for row in rows))
            ids = torch.zeros(len(rows), width, dtype=torch.long)
            weight = torch.zeros(len(rows), width, dtype=dtype)
            for i, row in enumerate(rows):
                ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
                weight[i, : len(row)] = 1
            return uploaded(ids, device), uploaded(weight, device)

        right_ids, right_weight = padded(right)
        wrong_ids, wrong_weight = padded(wrong)
        return cls(right_ids, wrong_ids, right_weight, wrong_weight)


class Metric:
    """A metric for one group of pairs.

    Args:
        name: one of `metrics.catalogue.METRICS`.
        parts: the model, whose final norm and unembedding turn residuals into logits.
        answers: right and wrong tokens of the group's pairs.
        clean_final: [pair, d_model], the clean run's last residual, which `kl` compares with.
    """

    def __init__(self, name: str, parts: ModelParts, answers: Answers, clean_final: Tensor) -> None:
        self.name = check_metric(name)
        self.parts = parts
        self.answers = answers
        self._clean_final = clean_final
        self._clean: tuple[Tensor, Tensor] | None = None
        self._direction, self._offset = self._answer_direction()

    def named(self, name: str) -> Metric:
        """Another metric of the same pairs."""
        other = copy.copy(self)
        other.name = check_metric(name)
        return other

    def part(self, pairs: slice | Tensor) -> Metric:
        """The metric of some of the pairs; indices may repeat."""
        part = copy.copy(self)
        a = self.answers
        part.answers = Answers(
            a.right[pairs], a.wrong[pairs], a.right_weight[pairs], a.wrong_weight[pairs]
        )
        part._clean_final = self._clean_final[pairs]
        if self._clean is not None:
            part._clean = self._clean[0][pairs], self._clean[1][pairs]
        part._direction, part._offset = self._direction[pairs], self._offset[pairs]
        return part

    def with_final_norm(self, norm: nn.Module) -> Metric:
        """The same metric behind another final norm."""
        other = copy.copy(self)
        other.parts = replace(self.parts, norm_final=norm)
        return other

    def _clean_distribution(self) -> tuple[Tensor, Tensor]:
        """The clean run's probabilities [pair, vocabulary] and their negative entropy [pair].

        Computed when they are first asked for, since not every metric needs the whole vocabulary.
        """
        if self._clean is None:
            with torch.no_grad():
                log_p = wide(unembed(self.parts, self._clean_final)).log_softmax(-1)
                p = log_p.exp()
                self._clean = p, (p * log_p).sum(-1)
        return self._clean

    def _answer_direction(self) -> tuple[Tensor, Tensor]:
        """The logit difference as a linear function of the normed residual.

        Its slope [pair, d_model] and its constant [pair].
        """
        a = self.answers

        def mean_column(ids: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
            share = weight / weight.sum(-1, keepdim=True).clamp(min=1)
            columns = self.parts.w_u[:, ids]  # [d_model, pair, slot]
            bias = self.parts.b_u
            offset = (bias[ids] * share).sum(-1) if bias is not None else share.new_zeros(len(ids))
            return torch.einsum("dps,ps->pd", columns, share), offset

        right, right_offset = mean_column(a.right, a.right_weight)
        wrong, wrong_offset = mean_column(a.wrong, a.wrong_weight)
        scale = self.parts.logit_scale
        return (right - wrong) * scale, (right_offset - wrong_offset) * scale

    def of_residual(self, final: Tensor) -> Tensor:
        """The metric [pair, alternative] of final residuals [pair, alternative, d_model].

        The logit difference needs no logits but the answers', so nothing of the vocabulary's size
        is computed for it, unless the logits are capped and so not linear. Otherwise alternatives
        follow one another where their logits together would be too large.
        """
        if self.name == "logit_diff" and self.parts.logit_cap is None:
            normed = self.parts.norm_final(final)
            return (normed @ self._direction[:, :, None])[..., 0] + self._offset[:, None]
        at_once = max(1, LOGIT_BYTES // (4 * final.shape[0] * self.parts.w_u.shape[1]))
        pieces = [
            self._of_logits(unembed(self.parts, piece)) for piece in final.split(at_once, dim=1)
        ]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _of_logits(self, logits: Tensor) -> Tensor:
        if self.name == "logit_diff":
            return self.logit_difference(logits)
        if self.name == "prob_diff":
            log_p = wide(logits).log_softmax(-1)
            return (
                (_pick(log_p, self.answers.right).exp() * self.answers.right_weight[:, None]).sum(
                    -1
                )
                - (_pick(log_p, self.answers.wrong).exp() * self.answers.wrong_weight[:, None]).sum(
                    -1
                )
            ).to(logits.dtype)
        if self.name == "kl":
            return self.kl(logits)
        compute = find_metric(self.name).compute
        if compute is not None:
            value: Tensor = resolve(compute)(logits, self.answers)
            return value.to(logits.dtype)
        return self.correct(logits)

    def logit_difference(self, logits: Tensor) -> Tensor:
        """[pair, alternative] of logits [pair, alternative, vocabulary].

        Not a number where there are no answers, or no wrong ones.
        """

        def mean(ids: Tensor, weight: Tensor) -> Tensor:
            return (_pick(logits, ids) * weight[:, None]).sum(-1) / weight.sum(-1)[:, None].clamp(
                min=1
            )

        difference = mean(self.answers.right, self.answers.right_weight) - mean(
            self.answers.wrong, self.answers.wrong_weight
        )
        sides = self.answers.right_weight.sum(-1), self.answers.wrong_weight.sum(-1)
        return difference.masked_fill(((sides[0] * sides[1]) == 0)[:, None], float("nan"))

    def kl(self, logits: Tensor) -> Tensor:
        """KL(model || these logits) [pair, alternative], summed over the vocabulary, in nats."""
        # sum p log q = sum p logits - logsumexp: one pass over the vocabulary less than by log q.
        logits = wide(logits)
        clean_p, negative_entropy = self._clean_distribution()
        cross = torch.einsum("pv,pav->pa", clean_p, logits) - logits.logsumexp(-1)
        # The difference of two large numbers may come out a rounding error below zero.
        kl = (negative_entropy[:, None] - cross).clamp(min=0)
        return kl.to(self.parts.dtype)

    def correct(self, logits: Tensor) -> Tensor:
        """1 where the best answer's logit beats the best wrong answer's, else 0.

        It is [pair, alternative]. Without wrong answers to beat, the best answer has to be the best
        of the whole vocabulary; without any answer it is not a number.
        """

        def best(ids: Tensor, weight: Tensor) -> Tensor:
            return _pick(logits, ids).masked_fill(weight[:, None] == 0, float("-inf")).amax(-1)

        right = best(self.answers.right, self.answers.right_weight)
        wrong = best(self.answers.wrong, self.answers.wrong_weight)
        alone = (self.answers.wrong_weight.sum(-1) == 0)[:, None]
        correct = torch.where(alone, right >= logits.amax(-1), right > wrong).to(logits.dtype)
        unanswered = (self.answers.right_weight.sum(-1) == 0)[:, None]
        return correct.masked_fill(unanswered, float("nan"))

    def correct_and_kl(self, final: Tensor) -> tuple[Tensor, Tensor]:
        """Whether the answer is right, and KL, each [pair], of final residuals [pair, d_model].

        It takes one product with W_U.
        """
        logits = unembed(self.parts, final)[:, None]
        return self.correct(logits)[:, 0], self.kl(logits)[:, 0]


def _pick(values: Tensor, ids: Tensor) -> Tensor:
    """Values [pair, alternative, vocabulary] at ids [pair, slot]: [pair, alternative, slot]."""
    return values.gather(-1, ids[:, None].expand(-1, values.shape[1], -1))
