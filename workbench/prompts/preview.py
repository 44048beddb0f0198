"""A task's prompts, token by token, before the model is loaded: by its tokenizer alone.

Importing and running this loads neither torch nor transformers, so that it answers while one types.
What the model really reads is what `Session.prompts` says; the two agree where `tokenizer.json` is
what transformers reads, and that is so for every model that we convert.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tasks import Pair, Task, TaskError, Tokenizer
from workbench.base.progress import silent
from workbench.errors import WorkbenchError
from workbench.metrics.catalogue import find_metric
from workbench.models.cache import CacheEntry
from workbench.models.file_tokenizer import TOKENIZER_FILE, FileTokenizer
from workbench.models.source import find_model
from workbench.prompts.checks import Needs, check_pairs, counted_reasons, warned
from workbench.prompts.encoding import Encoding
from workbench.prompts.files import hub
from workbench.prompts.roles import roles_of
from workbench.prompts.task_catalogue import find_task


@dataclass(frozen=True)
class TaskPreview:
    """What a task looks like to a model.

    Attributes:
        description: one sentence.
        metric: the metric that will be used.
        n_pairs: how many pairs there will be; 0 where they cannot be made without the tokenizer.
        pairs: the first of them, in tokens, or in words where the tokenizer is not known.
        tokenised: the model's tokenizer is here.
        notes: what to know.
        bad: how many pairs cannot be used, by reason, a name of `checks.KINDS`.
        first_bad: why the first of them cannot, in a sentence; empty if there is none.
        warnings: sentences on what is odd.
    """

    description: str
    metric: str
    n_pairs: int
    pairs: tuple[PromptView, ...]
    tokenised: bool
    notes: tuple[str, ...]
    bad: dict[str, int]
    first_bad: str
    warnings: tuple[str, ...]

    @property
    def bad_told(self) -> str:
        """How many pairs cannot be used and why, as the beginning of a sentence; or nothing."""
        n_bad = sum(self.bad.values())
        if not n_bad:
            return ""
        total = f" of {n_bad + self.n_pairs:,}" if self.n_pairs else ""
        return f"{n_bad:,}{total} pairs cannot be used ({counted_reasons(self.bad)})"


def preview_task(
    model: str,
    task: str,
    *,
    pairs: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    bos: bool | None = None,
    revision: str | None = None,
    corrupted: bool = True,
    at_most: int = 100,
) -> TaskPreview:
    """The first pairs of a task as the model's tokenizer reads them.

    Args:
        model, task, pairs, seed, metric, bos, revision: as `start_session` takes them.
        corrupted: whether the ablation makes use of the corrupted prompts.
        at_most: how many pairs to show in tokens.

    Raises:
        WorkbenchError: the model or task is not to be found, or the task cannot be made so.
    """
    if hub.is_address(task) and hub.known_file(task) is None:
        # Nothing is fetched while somebody types.
        raise WorkbenchError("It is fetched from the hub when it is opened, and shown then.")
    tokenizer = find_tokenizer(model, revision)
    generated = find_task(task) is not None
    # More pairs of a seed begin with the same pairs, so only those that are shown are made.
    fewer = pairs if pairs is None or not generated else min(pairs, at_most)
    made, notes = _make(task, tokenizer, fewer, seed, metric, corrupted)
    bad = Counter(made.left_out)
    if tokenizer is None:
        notes += (f"Shown in words: the tokenizer of {model} is not on this machine yet.",)
        shown = tuple(_words(pair) for pair in made.pairs[:at_most])
        n_pairs = 0 if generated else len(made.pairs)
        words = (made.description, made.metric, n_pairs, shown, False, notes)
        return TaskPreview(*words, dict(bad), "", made.warnings)
    encoding = Encoding(tokenizer, bos)
    kind = find_metric(made.metric)
    needs = Needs(corrupted, kind.answers, kind.wrong_answers)
    checked = check_pairs(made.pairs, encoding, needs)
    usable = [row for row in checked if row.fatal is None]
    refused = [(row.number, row.fatal) for row in checked if row.fatal is not None]
    bad.update(finding.kind for _, finding in refused)
    # Those that cannot be used are shown too, so that they can be seen for what they are.
    first = [row for row in checked[:at_most] if row.clean]
    fitting = [row for row in first if row.fatal is None]
    roles = roles_of(
        [row.pair for row in fitting],
        [row.clean for row in fitting],
        [row.corrupted for row in fitting],
        encoding,
    )
    of_row = {row.number: roles.at(place) for place, row in enumerate(fitting)}
    shown = tuple(
        PromptView(
            encoding.pieces(row.clean),
            encoding.pieces(row.corrupted),
            row.pair.answers,
            row.pair.wrong_answers,
            of_row.get(row.number, ()),
        )
        for row in first
    )
    return TaskPreview(
        made.description,
        made.metric,
        pairs if pairs is not None and generated else len(usable),
        shown,
        True,
        notes,
        dict(bad),
        f"Pair {refused[0][0]}: {refused[0][1].said}." if refused else "",
        (*made.warnings, *warned({row.number: row.findings for row in usable}, len(usable))),
    )


def find_tokenizer(model: str, revision: str | None = None) -> Any | None:
    """A light tokenizer of a model that lies on this machine; None if its file is not here.

    Raises:
        WorkbenchError: there is no such model.
    """
    source = find_model(model)
    source.check()
    file: Path | None = None
    try:
        if source.kind == "hub":
            from huggingface_hub import try_to_load_from_cache

            found = try_to_load_from_cache(model, TOKENIZER_FILE, revision=revision)
            file = Path(found) if isinstance(found, str) else None
        elif source.kind == "gguf" and source.path is not None:
            file = CacheEntry.of(source.path, silent).folder / TOKENIZER_FILE
        elif source.path is not None:
            file = source.path / TOKENIZER_FILE
        if file is None or not file.is_file():
            return None
        return FileTokenizer(file)
    except OSError as error:
        raise WorkbenchError(
            f"The tokenizer of {model} cannot be read: {error.strerror}."
        ) from error


def _make(
    task: str,
    tokenizer: Any | None,
    pairs: int | None,
    seed: int,
    metric: str | None,
    corrupted: bool,
) -> tuple[Task, tuple[str, ...]]:
    """The task and its notes; a built-in one without a tokenizer is its example."""
    from workbench.prompts.task_file import resolve_task

    known = find_task(task)
    if tokenizer is None and known is not None:
        made = Task(known.name, (known.example,), metric or known.metric, known.description)
        return made, ("An example of the prompts.",)
    try:
        # A file needs no tokenizer.
        made = resolve_task(
            task,
            cast(Tokenizer, tokenizer),
            pairs=pairs,
            seed=seed,
            metric=metric,
            corrupted=corrupted,
            drop_bad=True,
        )
    except TaskError as error:
        raise WorkbenchError(str(error)) from None
    return made, made.notes


def _words(pair: Pair) -> PromptView:
    def cut(text: str) -> list[str]:
        words = text.split(" ")
        return [words[0], *(" " + word for word in words[1:])]

    return PromptView(cut(pair.clean), cut(pair.corrupted), pair.answers, pair.wrong_answers)


@dataclass(frozen=True)
class PromptView:
    """One pair of prompts, token by token, as the model reads them.

    Attributes:
        clean, corrupted: the text of each token.
        answers, wrong_answers: of the pair.
        roles: the role of each position; empty where they are not known.
    """

    clean: list[str]
    corrupted: list[str]
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    roles: tuple[str, ...] = ()
