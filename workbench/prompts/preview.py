"""A task's prompts, token by token, before the model is loaded: by its tokenizer alone.

Importing and running this loads neither torch nor transformers, so that it answers while one types.
What the model really reads is what `Session.prompts` says; the two agree where `tokenizer.json` is
what transformers reads, and that is so for every model that we convert.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tasks import Pair, Task, TaskError, Tokenizer
from workbench.base.progress import silent
from workbench.errors import WorkbenchError
from workbench.metrics.catalogue import find_metric
from workbench.models.cache import CacheEntry
from workbench.models.source import find_model
from workbench.prompts.checks import Needs, check_pairs, counted_reasons, warned
from workbench.prompts.encoding import Encoding
from workbench.prompts.files import hub
from workbench.prompts.roles import roles_of
from workbench.prompts.task_catalogue import find_task

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "tokenizer_config.json"
"""Lies beside the tokenizer's file and names its special tokens."""


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


class FileTokenizer:
    """What tasks and `Encoding` ask of a transformers tokenizer, from `tokenizer.json` alone."""

    is_fast = True
    """It knows where its tokens stand in a text."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception
            raise WorkbenchError(f"{file} is no tokenizer file: {error}.") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        self.unk_token = unknown
        self.unk_token_id = None if unknown is None else self._tokenizer.token_to_id(unknown)
        bos = _named_token(file.with_name(SETTINGS_FILE), "bos_token")
        self.bos_token_id = None if bos is None else self._tokenizer.token_to_id(bos)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of one text."""
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        return_offsets_mapping: bool = False,
    ) -> dict[str, Any]:
        """Ids of one text or of several, and of one where they stand, as transformers has it."""
        if isinstance(texts, str):
            one = self._tokenizer.encode(texts, add_special_tokens=add_special_tokens)
            places = {"offset_mapping": list(one.offsets)} if return_offsets_mapping else {}
            return {"input_ids": list(one.ids), **places}
        made = self._tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [list(encoding.ids) for encoding in made]}

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        """The text of ids, special tokens included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def convert_ids_to_tokens(self, token: int) -> str | None:
        """The token of an id as the vocabulary has it; None if there is none."""
        text = self._tokenizer.id_to_token(token)
        return None if text is None else str(text)


def _named_token(file: Path, name: str) -> str | None:
    """A special token's text; None if the file does not name it."""
    try:
        value = json.loads(file.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError, AttributeError):
        return None
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


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
