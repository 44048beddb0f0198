"""The set of pairs of a session: tried, added, changed, put aside, saved.

Every change is a command, with undo, and makes the session's numbers those of the new set. Trying a
pair changes nothing. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.pair import Pair
from workbench.base.failures import failures_as_sentences
from workbench.base.text import counted
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.settings import ExperimentSettings
from workbench.prompts.checks import Needs, refuse_unfit
from workbench.prompts.pair_exam import PairExam, examine
from workbench.prompts.template import Filled, fill
from workbench.prompts.vocabulary import Vocabulary
from workbench.session.carry_out import CarryOut
from workbench.session.pair_commands import AddPairs, ChangePair, PutAside, RemovePairs
from workbench.session.pair_set import PairSet, SetPair, as_set, in_use
from workbench.session.priority_lock import PriorityLock
from workbench.session.read_only import Snapshot
from workbench.session.state import State
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.engine.trial_results import PairTrial, TokenChance
    from workbench.experiment.experiment import Experiment

TYPED = "typed"
"""Where a pair comes from that is added without a word on that."""

MOST_NAMED = 6
"""Numbers of pairs that a sentence names."""


class PromptPairs:
    """The pairs. All public methods may be called from any thread.

    An index counts all pairs of the set from 0, those put aside among them.

    Glossary: docs/glossary.md#set-of-pairs.
    """

    def __init__(
        self,
        lock: PriorityLock,
        seen: Callable[[], Snapshot],
        settings: ExperimentSettings,
        *,
        carry_out: CarryOut,
        exported: Callable[[Path], None],
    ) -> None:
        """For a session; `seen`: what it shows now."""
        self._lock = lock
        self._seen = seen
        self._settings = settings
        self._vocabulary: Vocabulary | None = None
        self._carry_out = carry_out
        self._exported = exported

    # Reading; none of this waits.

    @property
    def all(self) -> PairSet:
        """All pairs, with whether each is put aside."""
        return self._seen().state.pairs

    @property
    def in_use(self) -> tuple[Pair, ...]:
        """The pairs that the session's numbers are of."""
        return in_use(self.all)

    def row(self, index: int) -> int | None:
        """The place of a pair among those that the session's numbers are of.

        None for one that is put aside, or was left out for its lengths.
        """
        seen = self._seen()
        one = self._get(seen.state.pairs, index)
        if not one.used:
            return None
        left = seen.runs.batch.task.pairs
        before = in_use(seen.state.pairs[:index])
        if len(left) == len(in_use(seen.state.pairs)):
            return len(before)
        if one.pair not in left:
            return None
        return sum(pair in left for pair in before)

    @property
    def conditions(self) -> tuple[Circuit, str]:
        """What a trial depends on beside its pair: the circuit, and the pairs of own means."""
        seen = self._seen()
        own = self._own_means(seen.runs.experiment)
        return seen.state.circuit, seen.runs.digest if own else ""

    @staticmethod
    def _own_means(experiment: Experiment) -> bool:
        return experiment.means is None and ABLATIONS[experiment.ablation].takes_means

    # Trying.

    def try_pair(self, pair: Pair, *, k: int = 10, circuit: bool = True) -> PairTrial:
        """Evaluate one pair in the whole model and in the present circuit.

        Nothing else is computed again, and the session stays as it is.

        Args:
            pair: any pair of prompts of equal token length; it need not be one of the set.
            k: how many of the likeliest tokens are listed.
            circuit: False for the model's numbers alone.

        Raises:
            WorkbenchError: the pair does not suit the tokenizer, or it failed.
        """
        from workbench.engine.pair_trial import try_like

        with self._lock.foreground(), failures_as_sentences():
            seen = self._seen()
            present = seen.state.circuit if circuit else None
            return try_like(seen.runs.experiment, pair, present, k=k)

    def next_tokens(self, prompt: str, k: int = 20) -> tuple[TokenChance, ...]:
        """The model's likeliest tokens after any prompt: what answers are chosen from."""
        from workbench.engine.pair_trial import next_tokens

        with self._lock.foreground(), failures_as_sentences():
            return next_tokens(self._seen().runs.experiment, prompt, k)

    # Checking what is typed; none of this waits.

    def examine(self, pair: Pair) -> PairExam:
        """What there is to say of a pair: its tokens, what is wrong or odd, what mends it."""
        batch = self._seen().runs.batch
        words = batch.task.answer_space
        return examine(pair, batch.encoding, self._needs, words)

    def fill(
        self, template: Pair, lists: Mapping[str, Sequence[str]], n: int | None = None
    ) -> Filled:
        """Make pairs of a template with slots; see `prompts.template.fill`."""
        return fill(template, lists, self._seen().runs.batch.encoding, n=n, needs=self._needs)

    def vocabulary(self) -> Vocabulary:
        """The tokenizer's, for completion; making it takes a second the first time."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(self._seen().runs.batch.encoding)
        return self._vocabulary

    @property
    def _needs(self) -> Needs:
        """What is asked of a pair of this session."""
        experiment = self._seen().runs.experiment
        settings = replace(self._settings, metric=experiment.metric_name)
        return settings.needs(experiment.metric_name, experiment.model.positions)

    # Commands.

    def add(self, pairs: Pair | Iterable[Pair], origin: str = TYPED) -> Status:
        """Add pairs behind the others.

        Raises:
            WorkbenchError: one of them does not suit the tokenizer.
        """
        new = [pairs] if isinstance(pairs, Pair) else list(pairs)
        self._check(new)
        return self._carry_out(
            lambda state: _with(state, (*state.pairs, *as_set(new))),
            lambda change: AddPairs(origin=origin, change=change),
            "There is no pair to add.",
        )

    def change(self, index: int, pair: Pair) -> Status:
        """Put another pair in the place of one.

        Raises:
            WorkbenchError: there is none of this index, or the new one does not suit the tokenizer.
        """
        self._check([pair])

        def edit(state: State) -> State:
            old = self._get(state.pairs, index)
            return _placed(state, index, [replace(old, pair=pair)])

        return self._carry_out(
            edit,
            lambda change: ChangePair(number=index + 1, change=change),
            "The pair is the same.",
        )

    def duplicate(self, index: int) -> Status:
        """Add a copy of a pair right behind it."""

        def edit(state: State) -> State:
            one = self._get(state.pairs, index)
            return _placed(state, index, [one, one])

        return self._carry_out(
            edit,
            lambda change: AddPairs(origin=f"a copy of pair {index + 1}", change=change),
        )

    def put_aside(self, indices: Sequence[int], aside: bool = True) -> Status:
        """Put pairs aside, so that means go over the others, or (False) take them back."""

        def edit(state: State) -> State:
            pairs = list(state.pairs)
            for index in indices:
                pairs[index] = SetPair(self._get(state.pairs, index).pair, aside)
            return _with(state, tuple(pairs))

        did = f"{'put aside' if aside else 'took back'} {_numbers(indices)}"
        return self._carry_out(
            edit,
            lambda change: PutAside(did=did, change=change),
            "These pairs are put aside already." if aside else "None of these pairs is put aside.",
        )

    def only(self, index: int) -> Status:
        """Put all pairs but one aside."""

        def edit(state: State) -> State:
            self._get(state.pairs, index)
            chosen = [SetPair(one.pair, i != index) for i, one in enumerate(state.pairs)]
            return _with(state, tuple(chosen))

        did = f"put aside all pairs but {index + 1}"
        return self._carry_out(
            edit,
            lambda change: PutAside(did=did, change=change),
            "All other pairs are put aside already.",
        )

    def remove(self, indices: Sequence[int]) -> Status:
        """Remove pairs from the set."""

        def edit(state: State) -> State:
            for index in indices:
                self._get(state.pairs, index)
            gone = frozenset(indices)
            left = tuple(one for i, one in enumerate(state.pairs) if i not in gone)
            return _with(state, left)

        return self._carry_out(
            edit, lambda change: RemovePairs(numbers=_numbers(indices), change=change)
        )

    # Files.

    def save(self, path: Path) -> int:
        """Write the pairs that are in use as a task file; returns how many they are.

        The ending says the format: `.csv`, else JSON Lines. Loading it gives the same pairs.

        Raises:
            WorkbenchError: the file cannot be written.
        """
        from workbench.prompts.write_task import write_task

        pairs = self.in_use
        write_task(path, pairs)
        self._exported(path)
        return len(pairs)

    # Checks.

    def _check(self, pairs: Sequence[Pair]) -> None:
        """Each pair by itself has to suit the tokenizer, whatever is left out of a task."""
        with failures_as_sentences():
            refuse_unfit(pairs, self._seen().runs.batch.encoding, self._needs)

    @staticmethod
    def _get(pairs: PairSet, index: int) -> SetPair:
        if not 0 <= index < len(pairs):
            raise WorkbenchError(
                f"There is no pair {index + 1}: there are {counted(len(pairs), 'pair')}."
            )
        return pairs[index]


def _with(state: State, pairs: PairSet) -> State:
    if not in_use(pairs):
        raise WorkbenchError("At least one pair has to stay; put others aside, or add one first.")
    return replace(state, pairs=pairs)


def _placed(state: State, index: int, new: Sequence[SetPair]) -> State:
    return _with(state, (*state.pairs[:index], *new, *state.pairs[index + 1 :]))


def _numbers(indices: Sequence[int]) -> str:
    """Pairs by their numbers from 1, for a sentence."""
    numbers = [str(index + 1) for index in indices]
    which = "pair" if len(numbers) == 1 else "pairs"
    if len(numbers) > MOST_NAMED:
        return f"{which} {', '.join(numbers[:MOST_NAMED])} and {len(numbers) - MOST_NAMED} more"
    return f"{which} {', '.join(numbers)}"
