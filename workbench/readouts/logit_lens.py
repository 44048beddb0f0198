"""The logit lens of one component: which tokens what it writes promotes and suppresses.

For a node's output x and the run's final residual r, at one position,

    lens(x) = centre_vocab( norm(x; scale of r) W_U ),

where the final norm keeps the scale that it has in the run (frozen, since the node alone would be
scaled up to the size of the whole stream) and the mean over the vocabulary is taken off, which no
probability depends on, so that the sign says promoted or suppressed. All nodes' lenses and the
biases' sum to the lens of `logits`: the model's own logits, centred. A factor on the logits
(Cohere, Granite) is included; where they are softly capped at last (Gemma 2), these are the logits
before the cap, which no sum survives. After nostalgebraist (2020), "interpreting GPT: the logit
lens"; per component as in Elhage et al. (2021), "A Mathematical Framework for Transformer
Circuits".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.circuits.graph import INPUT, LOGITS
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    check_k,
    each_run,
    mean_columns,
    note,
    place_of,
    token_values,
)
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.results import Lens, Position
from workbench.readouts.target import Target
from workbench.transformer.edge_edits import read_by_logits
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


def logit_lens(
    experiment: Experiment,
    node: str,
    *,
    position: Position = -1,
    pair: int | None = None,
    k: int = 10,
    run: RunChoice = "clean",
    target: Target | None = None,
    through: JacobianLens | None = None,
) -> Lens:
    """What a node promotes and suppresses most.

    Args:
        experiment: model, batch and recorded runs.
        node: a source of the graph, or `logits` for the final residual with all biases.
        position: from the end of each prompt if negative, else from its start; or a role.
        pair: a pair's number, or None for the mean over all pairs.
        k: how many tokens on each side.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the
            difference of their lenses.
        target: what `answers` and `wrong_answers` are of; None: each pair's own.
        through: carries the output on to the last layer before it is read; None reads it as it is.

    Raises:
        WorkbenchError: if there is no such node, pair, position or run, or k < 1.
    """
    check_k(k)
    if through is not None:
        through.check(experiment.model)
    runs = each_run(experiment, run, position=position, pair=pair, target=target)
    place = place_of(experiment, node, position, pair, run, target)
    raw, sides = torch.zeros(()), torch.zeros(2)
    sides = uploaded(sides, experiment.parts.device)
    for sign, selections in runs:
        normed = frozen_outputs(experiment, selections, node, through)
        raw = raw + sign * node_logits(experiment, normed, node)
        sides = sides + sign * _answer_means(experiment, selections, normed, node)
    mean = raw.mean()
    right, wrong = array_of(sides.double() - mean.double()).tolist()
    return Lens(
        place=place,
        promoted=token_values(experiment, raw - mean, k, largest=True),
        suppressed=token_values(experiment, raw - mean, k, largest=False),
        answers=right,
        wrong_answers=wrong,
        definition=definition(experiment, node, run, through),
        lens="Logit lens" if through is None else "Jacobian lens",
    )


def frozen_outputs(
    experiment: Experiment,
    selections: list[Activations],
    node: str,
    through: JacobianLens | None = None,
) -> list[Tensor]:
    """A node's outputs through the final norm with the run's own scale, [pair, d_model] each.

    Of `logits`, the norm's bias is part of it. A Jacobian lens carries them on before the norm.
    """
    norm = FrozenNorm.of(experiment.parts.norm_final)
    normed = []
    for selection in selections:
        written = selection.output(node)
        if through is not None:
            written = read_by_logits(experiment.parts, written)
            written = through.carry(written, _read_at(experiment, node, through))
        x = norm.centre(written) * norm.scale(selection.output(LOGITS)) * norm.weight
        normed.append(x + norm.bias if node == LOGITS and norm.bias is not None else x)
    return normed


def node_logits(experiment: Experiment, normed: list[Tensor], node: str) -> Tensor:
    """Logits [vocabulary], not yet centred, float32: the pairs' mean of `frozen_outputs`.

    The mean is taken before the unembedding, which is linear: one product of one vector.
    """
    parts = experiment.model.parts
    mean = torch.cat(normed).mean(0)
    logits = wide(mean.to(parts.w_u.dtype) @ parts.w_u)
    if node == LOGITS and parts.b_u is not None:
        logits = logits + wide(parts.b_u)
    return logits * parts.logit_scale


def definition(
    experiment: Experiment,
    node: str,
    run: RunChoice = "clean",
    through: JacobianLens | None = None,
) -> str:
    """What the numbers of a node's lens are, in one sentence; another says so of a difference."""
    return _definition(experiment, node, through) + note(run)


def _read_at(experiment: Experiment, node: str, through: JacobianLens) -> int:
    """The depth at which a Jacobian lens reads what a node wrote: after its block.

    What is written stays in the residual, so that a lens of some layers reads it at the next one.
    """
    graph = experiment.model.graph
    if node in (INPUT, LOGITS):
        written = 0 if node == INPUT else graph.n_layers
    else:
        written = graph.parse_node(node).layer + 1
    return through.depth_at(written, graph.n_layers)


def _definition(experiment: Experiment, node: str, through: JacobianLens | None) -> str:
    before = ", before the soft cap" if experiment.model.parts.logit_cap is not None else ""
    if node == LOGITS:
        return f"The run's logits{before}, less their mean over the vocabulary."
    what = "token embedding" if node == INPUT else "output"
    if experiment.model.graph.is_head(node):
        what = "output (z W_O, without the bias)"
    carried = ""
    if through is not None:
        depth = _read_at(experiment, node, through)
        if depth < experiment.model.graph.n_layers:
            after = f"after layer {depth - 1}" if depth else "before layer 0"
            carried = f", carried on from {after} by {through.note},"
    return (
        f"The node's {what}{carried} through the final norm with the run's scale (frozen) and the "
        f"unembedding, in logits{before}, less their mean over the vocabulary."
    )


def _answer_means(
    experiment: Experiment, selections: list[Activations], normed: list[Tensor], node: str
) -> Tensor:
    """Mean logit, not yet centred, of the pairs' answers and of their wrong answers, [2]."""
    parts = experiment.model.parts
    answers = [selection.answers() for selection in selections]
    means = []
    for side in (0, 1):
        values = []
        for both, x in zip(answers, normed, strict=True):
            value = (mean_columns(parts.w_u, both[side]) * x).sum(-1)
            if node == LOGITS and parts.b_u is not None:
                value = value + mean_columns(parts.b_u[None], both[side])[:, 0]
            values.append(value * parts.logit_scale)
        means.append(torch.cat(values).mean())
    return torch.stack(means)
