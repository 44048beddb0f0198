"""Which activations a readout reads: one pair or all, at one position, of one run or two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.circuits.graph import INPUT, LOGITS
from workbench.errors import WorkbenchError
from workbench.readouts.circuit_runs import CircuitRuns, InCircuit
from workbench.readouts.results import Place, Position, TokenValue
from workbench.readouts.runs import RUN_WORDS, RUNS
from workbench.readouts.target import Target
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.neurons import hidden_values

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Group
    from workbench.prompts.roles import Roles
    from workbench.transformer.parts import ModelParts
    from workbench.transformer.recording import Recording, Run

RunChoice: TypeAlias = "str | InCircuit"
"""The name of one of `runs.RUNS`; a circuit, where it is read."""


@dataclass(frozen=True)
class Activations:
    """Some pairs of one group, all of one token length, at one position.

    Attributes:
        recording: both runs of the group, or of some of its pairs.
        indices: the chosen pairs' numbers in the task.
        rows: their places within the recording.
        right, wrong: token ids of each pair's answers and wrong answers, or of what is asked about
            in their place; () stands for the mean over the vocabulary.
        position: from the start of the prompts, 0 or more.
        run: `clean`, `corrupted` or `circuit`.
        circuit: what is read of `circuit`.

    Glossary: docs/glossary.md#activations.
    """

    recording: Recording
    indices: list[int]
    rows: list[int]
    right: list[tuple[int, ...]]
    wrong: list[tuple[int, ...]]
    position: int
    run: str
    circuit: Run | None = None
    seen: Run | None = None

    @property
    def parts(self) -> ModelParts:
        """The model's parts."""
        return self.recording.parts

    def clean(self) -> Activations:
        """The same place in the clean run."""
        return replace(self, run="clean")

    def read_by_logits(self) -> Activations:
        """The same, but of each node what the logits read of it; only in a circuit this differs."""
        return self if self.seen is None else replace(self, circuit=self.seen, seen=None)

    @property
    def later(self) -> Run | None:
        """The run's record from the first differing position on; None of the clean run.

        Before that position all runs are the same.
        """
        return self.recording.corrupted if self.run == "corrupted" else self.circuit

    def _run(self) -> tuple[Run, int]:
        """The run's record, and where the position stands in it."""
        later = None if self.run == "clean" else self.later
        if later is not None and self.position >= self.recording.start:
            return later, self.position - self.recording.start
        return self.recording.whole, self.position

    @property
    def _at(self) -> Tensor:
        """The rows as an index on the model's device."""
        return kept_index(tuple(self.rows), self.parts.device)

    def output(self, node: str) -> Tensor:
        """What a node wrote, [pair, d_model]; for `logits`, the final residual.

        A head writes z W_O, without the bias; an MLP its whole output; `input` the token embedding.
        Where a norm follows a layer's heads, what a head writes has gone through it with its scale
        held at the run's own, so that the heads' (and the bias's) sum is what attention added.
        """
        run, at = self._run()
        if node == INPUT:
            return run.embedding[self._at, at]
        if node == LOGITS:
            return run.final[self._at, at]
        place = self.parts.graph().parse_node(node)
        layer = place.layer
        if place.head is None:
            return run.layers[layer].mlp_out[self._at, at]
        z = run.layers[layer].z[place.head][self._at, at]
        attention = self.parts.layers[layer].attention
        written = z @ attention.w_o[place.head] * attention.multiplier
        after = self.after_attention(layer)
        if after is None:
            return written
        norm, scale = after
        return (norm.centre(written) * scale * norm.weight).to(written.dtype)

    def after_attention(self, layer: int) -> tuple[FrozenNorm, Tensor] | None:
        """The norm that follows a layer's heads and its scale [pair, 1] in this run.

        None if none does.
        """
        module = self.parts.layers[layer].post_attention
        if module is None:
            return None
        run, at = self._run()
        summed = run.layers[layer].attn_sum
        assert summed is not None, layer
        norm = FrozenNorm.of(module)
        return norm, norm.scale(summed[self._at, at])

    def mlp_input(self, layer: int) -> Tensor:
        """The residual [pair, d_model] that a layer's MLP reads; of no circuit."""
        run, at = self._run()
        return run.layers[layer].mlp_in[self._at, at]

    def neurons(self, layer: int) -> Tensor:
        """What enters the last linear map of a layer's MLP, [pair, neuron]; of no circuit.

        Raises:
            WorkbenchError: the MLP has no neurons of its own.
        """
        constant = self.recording.constant_neurons
        run, at = self._run()
        if run is self.recording.corrupted and constant is not None:
            return constant(layer, slice(0, self.recording.n_pairs))[self._at, at]
        residual = self.mlp_input(layer)
        return hidden_values(self.parts.layers[layer], residual[:, None])[:, 0]

    def heads(self, layer: int) -> Tensor:
        """Values before W_O of all heads of a layer, [head, pair, d_head]."""
        run, at = self._run()
        return run.layers[layer].z[:, self._at, at]

    def residual(self, layer: int) -> Tensor:
        """The residual [pair, d_model] before a layer; for the number of layers, the final one."""
        run, at = self._run()
        if layer == len(run.layers):
            return run.final[self._at, at]
        return run.layers[layer].attn_in[self._at, at]

    def answers(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Token ids of each pair's answers and wrong answers; see `right` and `wrong`."""
        return self.right, self.wrong


def run_name(run: RunChoice) -> str:
    """The run's name among `RUNS`.

    Raises:
        WorkbenchError: there is none of this name, or it is of a circuit and none is given.
    """
    if isinstance(run, InCircuit):
        return run.name
    if run not in RUNS:
        raise WorkbenchError(f"There is no run {run!r}; choose one of: {', '.join(RUNS)}.")
    if "circuit" in run:
        raise WorkbenchError("To read what a circuit writes, name the circuit: InCircuit(circuit).")
    return run


def each_run(
    experiment: Experiment,
    run: RunChoice,
    *,
    position: Position = -1,
    pair: int | None = None,
    target: Target | None = None,
) -> list[tuple[float, list[Activations]]]:
    """The chosen pairs in each run that is read, with the sign that it counts with.

    Args:
        run: what is read.
        position, pair, target: as of `activations`.

    Raises:
        WorkbenchError: there is no such run, or as `activations`.
    """
    name = run_name(run)
    circuit = run.runs(experiment) if isinstance(run, InCircuit) else None
    return [
        (sign, activations(experiment, position, pair, one, target=target, circuit=circuit))
        for sign, one in RUNS[name]
    ]


def activations(
    experiment: Experiment,
    position: Position = -1,
    pair: int | None = None,
    run: str = "clean",
    *,
    target: Target | None = None,
    circuit: CircuitRuns | None = None,
) -> list[Activations]:
    """The chosen pairs, group by group; in a circuit or at a role perhaps in more pieces.

    Args:
        position: from the end of each prompt if negative, else from its start; or a role, read at
            its last token in those of the pairs that have it.
        pair: a pair's number, or None for all.
        run: `clean`, `corrupted` or `circuit`.
        target: what is asked about; None: each pair's own answers.
        circuit: whose values are read where the run is `circuit`.

    Raises:
        WorkbenchError: if the pair, or the position in any chosen prompt, does not exist, or no
            pair has the role.
    """
    role = position if isinstance(position, str) else None
    n_pairs = experiment.batch.n_pairs
    if pair is not None and not 0 <= pair < n_pairs:
        raise WorkbenchError(f"There is no pair {pair}; the task has pairs 0 to {n_pairs - 1}.")
    chosen: list[Activations] = []
    for number, group in enumerate(experiment.batch.groups):
        if pair is None:
            rows = slice(0, len(group.indices))
        elif pair in group.indices:
            row = group.indices.index(pair)
            rows = slice(row, row + 1)
        else:
            continue
        if isinstance(position, str):
            at = 0
        elif -group.length <= position < group.length:
            at = position % group.length
        else:
            raise WorkbenchError(
                f"Position {position} is outside of a prompt of {group.length} tokens; choose one "
                f"from 0 to {group.length - 1}, or from the end, -1 to -{group.length}."
            )
        runs = circuit if run == "circuit" else None
        chosen += _of_group(experiment, number, rows, at, run, target, runs)
    return chosen if role is None else at_role(chosen, experiment.batch.roles, role, pair)


def at_role(
    pieces: Iterable[Activations], roles: Roles, role: str, pair: int | None = None
) -> list[Activations]:
    """The same pairs at the last token of a role, without those that lack it.

    Args:
        pieces: at any position; a piece becomes as many as there are places of the role in it.
        pair: the only one, where there is but one.

    Raises:
        WorkbenchError: no pair has it.
    """
    found: list[Activations] = []
    for piece in pieces:
        places: dict[int, list[int]] = {}
        for row, index in enumerate(piece.indices):
            if here := roles.positions(role, index):
                places.setdefault(here[-1], []).append(row)
        for position, chosen in places.items():
            found.append(
                replace(
                    piece,
                    indices=[piece.indices[row] for row in chosen],
                    rows=[piece.rows[row] for row in chosen],
                    right=[piece.right[row] for row in chosen],
                    wrong=[piece.wrong[row] for row in chosen],
                    position=position,
                )
            )
    if not found and pair is not None:
        raise lacking(roles, role, pair)
    return found


def lacking(roles: Roles, role: str, pair: int) -> WorkbenchError:
    """What to say of a role that a pair does not have."""
    own = ", ".join(dict.fromkeys(roles.at(pair)))
    return WorkbenchError(f"Prompt {pair + 1} has no role {role[:40]!r}: it has {own}.")


def _of_group(
    experiment: Experiment,
    number: int,
    rows: slice,
    position: int,
    run: str,
    target: Target | None,
    runs: CircuitRuns | None,
) -> Iterator[Activations]:
    group = experiment.batch.groups[number]
    if runs is None:
        recording = experiment.recordings[number]
        right, wrong = _answers(group, rows, target)
        own = list(range(rows.start, rows.stop))
        yield Activations(recording, list(group.indices[rows]), own, right, wrong, position, run)
        return
    for piece in runs.of(number, rows):
        right, wrong = _answers(group, piece.pairs, target)
        own = list(range(len(right)))
        indices = list(group.indices[piece.pairs])
        yield Activations(
            piece.recording, indices, own, right, wrong, position, run, piece.written, piece.read
        )


def _answers(
    group: Group, rows: slice, target: Target | None
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    right, wrong = list(group.answers[rows]), list(group.wrong_answers[rows])
    return (right, wrong) if target is None else target.ids(right, wrong)


def place_of(
    experiment: Experiment,
    node: str,
    position: Position,
    pair: int | None,
    run: RunChoice,
    target: Target | None = None,
) -> Place:
    """What was read, for the view.

    Raises:
        WorkbenchError: if the graph has no such node.
    """
    graph, name = experiment.model.graph, run_name(run)
    if node != LOGITS:
        graph.source_index(node)
    roles = experiment.batch.roles
    if pair is None:
        n_pairs = experiment.batch.n_pairs
        if isinstance(position, str):
            n_pairs = sum(bool(roles.positions(position, one)) for one in range(n_pairs))
        return Place(node, position, None, n_pairs, name, target=target)
    clean, corrupted = experiment.batch.tokens(pair)
    at = roles.positions(position, pair)[-1] if isinstance(position, str) else position
    token = (corrupted if name == "corrupted" else clean)[at]
    return Place(node, position, pair, 1, name, token, target)


def note(run: RunChoice) -> str:
    """What has to be said of a number that is not of one run of the model, after a space."""
    said = difference_note(run)
    if isinstance(run, InCircuit):
        said += (
            " In the circuit a node writes what it computes from its kept edges, or what takes its "
            "place if nothing clean reaches it."
        )
    return said


def difference_note(run: RunChoice) -> str:
    """The same, of a difference alone."""
    name = run_name(run)
    two = len(RUNS[name]) > 1
    return f" {RUN_WORDS[name].capitalize()}: the difference of this in two runs." if two else ""


def mean_columns(w_u: Tensor, ids: list[tuple[int, ...]]) -> Tensor:
    """Mean of the unembedding's columns over each pair's tokens, `wide` [pair, d_model].

    Args:
        w_u: [d_model, vocabulary].
        ids: token ids of each pair; () for the whole vocabulary.
    """
    if not all(ids):
        whole = wide(w_u).mean(-1)
        some = [row or (0,) for row in ids]
        none = uploaded([not row for row in ids], w_u.device)[:, None]
        return torch.where(none, whole, mean_columns(w_u, some))
    flat = uploaded([i for row in ids for i in row], w_u.device, torch.long)
    owner = uploaded([n for n, row in enumerate(ids) for _ in row], w_u.device, torch.long)
    share = uploaded([1 / len(row) for row in ids for _ in row], w_u.device)
    columns = wide(w_u[:, flat].T) * share[:, None]
    return columns.new_zeros(len(ids), w_u.shape[0]).index_add_(0, owner, columns)


def token_values(
    experiment: Experiment, values: Tensor, k: int, *, largest: bool
) -> tuple[TokenValue, ...]:
    """The k largest or smallest of values [vocabulary], with their tokens' text."""
    top = values.topk(min(k, values.shape[0]), largest=largest)
    ids = array_of(top.indices).tolist()
    texts = experiment.batch.encoding.pieces(ids)
    return tuple(map(TokenValue, texts, ids, array_of(wide(top.values)).tolist()))


def check_k(k: int) -> int:
    """k back, if that many tokens can be shown."""
    if k < 1:
        raise WorkbenchError(f"A lens shows at least one token, not {k}.")
    return k
