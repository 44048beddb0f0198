"""The page `docs/task-files.md`: the dialects of task files, each read from its own example."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.paths import ROOT
from workbench.prompts.checks import KINDS
from workbench.prompts.files.columns import ANSWERS, CLEAN, CORRUPTED, WRONG
from workbench.prompts.files.dialects import DIALECTS, Dialect
from workbench.prompts.preview import find_tokenizer
from workbench.prompts.task_file import read_file

TASK_FILES = ROOT / "docs" / "task-files.md"

INTRO = """\
# Task files

A task of your own is a file of pairs. Wherever a command or the app asks for a task, name the
file, or a file of a data set of the hub, `hf://datasets/OWNER/NAME/FILE` (with `@REVISION` after
the name, if need be); a gated one needs `hf auth login`, and one that was fetched before needs no
network.

What is read is said in one line: how many pairs, in what form and dialect, how many were left out
and why. `workbench tasks --check FILE --model MODEL` says all that is found: every pair that
cannot be used, each with its reasons and its line, and what is odd about the others.

## Pairs that cannot be used

A file is refused with the first such pair and a count of the others. `--drop-bad`, on every
command that takes a task and as "Bad pairs" in the app, leaves them out and counts them by
reason: pairs
"""

NEEDS = """
`--mismatch drop` leaves out those of unequal length alone. Where more than one pair in ten has a
token id that is not of the model's tokenizer, the file is refused with `--drop-bad` too: what
would be left would fit by chance.

What metric and ablation make no use of may be missing or amiss: `corrupted` for every ablation
but `patching`, the answers for the metric `kl`, the wrong answers for `accuracy` and `prob_diff`.

Odd pairs are warned of and used: a prompt that ends in a space, an answer that lacks the space
before it, a word that the tokenizer does not know; and what the runs say, such as a model that
prefers the wrong answers.

## Forms

FORMS_HERE

Text is UTF-8, or UTF-16 and UTF-32 with their mark, as Excel's "Unicode text". Capitals, blanks
and hyphens in the names of fields make no difference. Texts are kept as they are, spaces
included: " Mary" is another answer than "Mary".

In a table several answers are parted by `|` or written as a list: JSON, or as Python or numpy
print it (`[' are', ' were']`).

## Names of fields

| field | other names |
| --- | --- |
"""

FORMS = {
    "JSON Lines": "an object a line",
    "JSON": 'a list of objects; AutoCircuit\'s dataset, `{"prompts": [...]}`; a list in `data`, '
    "`pairs`, `examples`, `records`, `rows` or `train`; an object of columns, as pandas writes it",
    "tables": "parted by commas, semicolons, tabs or bars, whichever makes sense of the header, or "
    "by what a first line `sep=;` says; columns without a name, empty columns and empty rows are "
    "passed over",
    "Parquet": "as data sets lie on the hub; it takes the extra `parquet`, that is pyarrow: "
    "`pip install '.[parquet]'`",
}
"""How records are written down, and what is understood of it."""

IDS = """
A name that ends in `_idx` or `_id` has token ids. Whole numbers among answers in JSON are token
ids too where the prompt has no digit, and in a table where they are no token as they are typed.

## Roles

A pair may name parts of its prompts, the same tokens of both. Means over pairs, as of attention,
are then by role, whatever the prompts' lengths.

- `"roles": {"S2": [38, 42]}` has characters of the clean prompt, from the first up to but without
  the last; a list of such for a role that stands in several places.
- `"role_tokens": {"S2": [9]}` has tokens of it, from 0, without a BOS that is put before it.
- A table has a column `role:S2` with a range, `38-42`, or a text that the prompt has once; or
  columns `roles` and `role_tokens` with JSON in them.

The space before a word is part of its token and need not be in the range. A range that cuts
through a token, lies outside the prompt or overlaps another role is refused. What no role covers
is named by its neighbors, `..S2` before the first and `IO..S2` between two; the last token is
`END`, a BOS `BOS`. Without roles they are by what the prompts show: `diff1`, `diff2` where those
of any pair differ, and `END`. The built-in tasks bring theirs, and the slots of a template become
roles.

## Tasks put together

A file may hold pairs of several tasks: a field `task` says which a pair is an example of, and
`workbench clusters` then says how pure its clusters are. `workbench tasks --right FILE` writes it.

## Dialects

Which one a file speaks is told by its fields; they are tried in this order. The token ids of the
examples are those of `pocket`.
"""


def task_files_page() -> str:
    """The whole page."""
    fatal = [kind.words for kind in KINDS.values() if kind.fatal]
    lines = [INTRO.rstrip("\n"), *[f"- {words}," for words in fatal[:-1]], f"- {fatal[-1]}."]
    forms = ["| form | what is understood |", "| --- | --- |"]
    forms += [f"| {form} | {understood} |" for form, understood in FORMS.items()]
    lines += [NEEDS.rstrip("\n").replace("FORMS_HERE", "\n".join(forms))]
    for first, *others in (CLEAN, CORRUPTED, ANSWERS, WRONG):
        lines.append(f"| `{first}` | {', '.join(f'`{name}`' for name in others)} |")
    lines.append(IDS.rstrip("\n"))
    with TemporaryDirectory() as folder:
        for dialect in DIALECTS:
            lines += _section(dialect, Path(folder))
    return "\n".join(lines) + "\n"


def _section(dialect: Dialect, folder: Path) -> list[str]:
    path = folder / dialect.file
    path.write_text(dialect.example, encoding="utf-8")
    told = read_file(path, tokenizer=find_tokenizer("pocket")).told
    title = f"### {dialect.name[:1].upper()}{dialect.name[1:]}"
    metric = f"The metric is `{dialect.metric}` unless another is asked for."
    suffix = path.suffix.removeprefix(".")
    example = [f"```{'json' if suffix == 'jsonl' else suffix}", dialect.example.rstrip("\n"), "```"]
    return ["", title, "", f"{dialect.explained} {metric}", "", *example, "", f"> {told}"]
