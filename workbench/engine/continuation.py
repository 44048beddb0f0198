"""Going on from a prompt: what the model and a circuit each continue it with, greedily.

Each next token of the circuit is the argmax of the circuit's output on the clean prompt plus what
it has generated so far. What stands outside the circuit has to know these positions too. With
patching the corrupted prompt is extended by the same tokens: the two still differ only where they
did, and a dropped edge carries what its source writes there on the corrupted beginning. With zero
and mean ablations the constants hold at every position. Means taken position by position have none
after the prompt, so that nothing but the first token can be given. Destinations that are open read
the clean run of the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.base.work import Work, finish
from workbench.engine.continuation_results import CONSTANT, DEFINITION, PATCHED, Continuation
from workbench.engine.kept_edges import kept_edges, open_inputs
from workbench.engine.narrowed import by_layer
from workbench.engine.role_run import RoleRun
from workbench.engine.trial_results import TokenChance
from workbench.errors import WorkbenchError
from workbench.experiment.ablated_run import record_ablated
from workbench.experiment.ablations import ABLATIONS, PATCHING
from workbench.experiment.intervened import Intervened
from workbench.experiment.interventions import Intervention, parse_all
from workbench.experiment.means import Means, means_over
from workbench.experiment.prepare import means_batch
from workbench.experiment.settings import ExperimentSettings, RunChoices
from workbench.prompts.encoding import Encoding, shown
from workbench.transformer.forward import unembed
from workbench.transformer.recording import record, record_clean

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.transformer.parts import ModelParts

Next = Callable[[Tensor], Tensor]
"""Gives the logits [vocabulary] after so many tokens more [token]."""

TOP = 5
"""Likeliest next tokens that are listed unless told otherwise."""


@dataclass(frozen=True)
class _Start:
    """What is gone on from.

    Attributes:
        clean, corrupted: tokens [position]; corrupted is None where nothing is read of it.
        means: what mean ablations put in place of outputs.
        intervened: what is done to the model; None for nothing.
        roles: of the positions of `clean`; empty for a text by itself.
    """

    model: Model
    encoding: Encoding
    clean: Tensor
    corrupted: Tensor | None
    ablation: str
    means: Means | None
    intervened: Intervened | None = None
    roles: tuple[str, ...] = ()

    def parts(self, tokens: Tensor, other: Tensor | None) -> ModelParts:
        """The model's parts for these tokens [1, position] and their corrupted counterpart."""
        if self.intervened is None:
            return self.model.parts
        return self.intervened.parts(tokens, other, len(self.clean), self.roles)


def continue_pair(
    experiment: Experiment, pair: int, circuit: Circuit | None = None, *, n: int = 10
) -> Continuation:
    """What model and circuit go on with from a pair's clean prompt.

    Args:
        pair: its number, from 0.
        circuit: of the experiment's model; None: the model alone.
        n: how many tokens at most.

    Raises:
        WorkbenchError: there is no such pair, the circuit is another model's, or so many tokens
            cannot be given; see the module.
    """
    return finish(continuing_pair(experiment, pair, circuit, n=n))


def continuing_pair(
    experiment: Experiment, pair: int, circuit: Circuit | None = None, *, n: int = 10
) -> Work[Continuation]:
    """`continue_pair` in pieces, a token each."""
    group, row = experiment.batch.locate(pair)
    patched = experiment.ablation == PATCHING
    start = _Start(
        experiment.model,
        experiment.batch.encoding,
        group.clean[row],
        group.corrupted[row] if patched else None,
        experiment.ablation,
        experiment.stand_ins,
        experiment.intervened,
        experiment.batch.roles.at(pair),
    )
    return _go_on(start, circuit, n, TOP)


def continue_text(
    model: Model,
    text: str,
    circuit: Circuit | None = None,
    *,
    corrupted: str | None = None,
    n: int = 10,
    top: int = TOP,
    interventions: Iterable[Intervention | str] = (),
    **choices: Unpack[RunChoices],
) -> Continuation:
    """What the model, and a circuit, go on with from any text.

    Args:
        circuit: None: the model alone.
        corrupted: with a circuit and patching, the counterpart of the text, of its token length.
        n: how many tokens at most; with 0 only `top` is found.
        top: how many of the likeliest next tokens are listed.
        interventions: what is done to the model, or their lines of text.
        choices: `bos`, `ablation` and `means`, as of `ExperimentSettings`.

    Raises:
        WorkbenchError: a text is empty or too long, their lengths differ, or something that the
            ablation needs is missing.
    """
    settings = ExperimentSettings.of(model, "text", None, **choices)
    encoding = Encoding(model.tokenizer, settings.bos)
    other: list[int] | None = None
    clean = encoding.prompts([text])[0]
    if not clean:
        raise WorkbenchError("The text is empty: give one to go on from.")
    means = None
    if circuit is not None and settings.ablation == PATCHING:
        if corrupted is None:
            raise WorkbenchError(
                "What is outside the circuit is patched from a corrupted text: give one of the "
                "same token length, or another ablation, such as zero."
            )
        other = encoding.prompts([corrupted])[0]
        if len(other) != len(clean):
            raise WorkbenchError(
                f"The texts differ in token length, {len(clean)} and {len(other)}: "
                f"[{shown(encoding.pieces(clean))}] and [{shown(encoding.pieces(other))}]."
            )
    if circuit is not None and ABLATIONS[settings.ablation].takes_means:
        batch = means_batch(model, settings)
        if batch is None:
            raise WorkbenchError("Say over which prompts the means are taken: a task or a file.")
        means = means_over(model.parts, settings.ablation, batch)
    start = _Start(
        model,
        encoding,
        uploaded(clean, model.device),
        None if other is None else uploaded(other, model.device),
        settings.ablation,
        means,
        None
        if not (done := parse_all(interventions))
        else Intervened(model.parts, model.graph, done, encoding),
    )
    return finish(_go_on(start, circuit, n, top))


def _go_on(start: _Start, circuit: Circuit | None, n: int, top: int) -> Work[Continuation]:
    _check(start, circuit, n)
    sides = [_model(start), *([] if circuit is None else [_circuit(start, circuit)])]
    after = sides[0](start.clean.new_zeros(0))
    yield 0.0
    found: list[tuple[TokenChance, ...]] = []
    for number, side in enumerate(sides):
        chosen: list[TokenChance] = []
        for step in range(n):
            so_far = uploaded([one.token for one in chosen], start.clean.device, torch.long)
            logits = after if number == 0 and step == 0 else side(so_far)
            chosen += _likeliest(start, logits, 1)
            yield (number * n + step + 1) / (n * len(sides))
            if chosen[-1].token == start.encoding.tokenizer.eos_token_id:
                break
        found.append(tuple(chosen))
    instead = PATCHED
    if start.ablation != PATCHING:
        instead = CONSTANT.format(ablation=start.ablation)
    pieces = start.encoding.pieces
    return Continuation(
        prompt=tuple(pieces(array_of(start.clean).tolist())),
        corrupted=()
        if start.corrupted is None
        else tuple(pieces(array_of(start.corrupted).tolist())),
        ablation=start.ablation,
        top=_likeliest(start, after, top),
        model=found[0],
        circuit=found[1] if circuit is not None else None,
        definition=DEFINITION.format(instead=instead)
        if circuit is not None
        else DEFINITION.split(". ")[0] + ".",
    )


def _check(start: _Start, circuit: Circuit | None, n: int) -> None:
    model, length = start.model, len(start.clean)
    if n < 0:
        raise WorkbenchError(f"One goes on with 0 tokens or more, not {n}.")
    if model.positions is not None and length + max(0, n - 1) > model.positions:
        raise WorkbenchError(
            f"The model has {model.positions:,} positions: the {length:,} tokens of this prompt "
            f"can be gone on with at most {max(0, model.positions - length + 1):,}, not {n:,}."
        )
    if circuit is None:
        return
    if circuit.graph != model.graph:
        raise WorkbenchError("The circuit belongs to another model.")
    if n > 1 and start.ablation in ("positional-mean", "context-mean"):
        raise WorkbenchError(
            f"The means of {start.ablation} are taken position by position and end with the "
            "prompt: go on with 1 token, or take another ablation."
        )


def _model(start: _Start) -> Next:
    def after(more: Tensor) -> Tensor:
        tokens = torch.cat([start.clean, more])[None]
        other = None if start.corrupted is None else torch.cat([start.corrupted, more])[None]
        parts = start.parts(tokens, other)
        final = record_clean(parts, tokens).final[0, -1]
        with torch.no_grad():
            return unembed(parts, final)

    return after


def _circuit(start: _Start, circuit: Circuit) -> Next:
    graph = circuit.graph
    if circuit.at:
        raise WorkbenchError(
            "A circuit with edges at roles says nothing of tokens that are still to come: go on "
            "with the circuit of whole edges, or with the model."
        )
    kept, is_open = kept_edges(circuit), open_inputs(circuit)
    neurons = by_layer(start.model.parts, graph, circuit.neurons)
    other = start.clean if start.corrupted is None else start.corrupted
    differing = np.flatnonzero(array_of(start.clean != other))
    # Where the two are the same text, or nothing is read of the other, any position will do.
    first = int(differing[0]) if len(differing) else len(start.clean) - 1

    def after(more: Tensor) -> Tensor:
        clean, counterpart = (torch.cat([one, more])[None] for one in (start.clean, other))
        read = None if start.corrupted is None else counterpart
        parts = start.parts(clean, read)
        recording = record(parts, clean, counterpart, first)
        if start.ablation != PATCHING:
            recording = record_ablated(parts, recording, clean, start.means)
        final = RoleRun(graph, recording, kept, is_open, neurons).final[0].reshape(-1)
        with torch.no_grad():
            return unembed(parts, final)

    return after


def _likeliest(start: _Start, logits: Tensor, k: int) -> tuple[TokenChance, ...]:
    values, tokens = wide(logits).topk(min(k, len(logits)))
    chances = wide(logits).softmax(-1)[tokens]
    ids, *numbers = array_of(torch.stack((tokens.double(), chances.double(), values.double())))
    named = [int(token) for token in ids]
    rows = zip(start.encoding.pieces(named), named, *(n.tolist() for n in numbers), strict=True)
    return tuple(TokenChance(*row) for row in rows)
