"""Columns: what peers call the prompts and the answers, as texts and as token ids."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.prompts.files.role_cells import is_role

CLEAN = ("clean", "clean_prompt", "clean_text", "clean_input", "clean_prefix", "original", "prompt")
CORRUPTED = (
    *("corrupted", "corrupt", "corrupted_prompt", "corrupt_prompt", "corrupted_text"),
    *("corrupt_text", "corrupted_input", "corrupted_prefix", "corrupt_prefix", "corr_prefix"),
    *("patch_prefix", "counterfactual", "counterfactual_prompt"),
)
ANSWERS = (
    *("answers", "answer", "correct_answers", "correct_answer", "correct", "right", "right_answer"),
    *("target", "targets", "clean_answers", "clean_answer", "clean_target", "expected"),
)
WRONG = (
    *("wrong_answers", "wrong_answer", "wrong", "incorrect_answers", "incorrect_answer"),
    *("incorrect", "corrupted_answers", "corrupted_answer", "corrupt_answers", "corrupt_answer"),
    *("corrupted_target", "patch_answer", "counterfactual_answer", "distractors", "distractor"),
)
FACTS = {"country": "corrupted_country", "capital": "corrupted_capital"}
"""Further answers that tables give as token ids, with the wrong ones; as texts they may be long."""

ID = re.compile(r"(?P<base>.+?)_(idx|idxs|id|ids|token_id|token_ids|token_idx)")
"""A column of token ids, and of what."""

BESIDE = {"correct": ("label",), "incorrect": ("corrupted_labels", "corrupted_label")}
"""Where the texts of token ids stand, besides under the same name without the ending."""

YEARS = ("label", "start_year", "correct_idx", "year")
"""Greater-Than's start year, or its last two digits, where there are no answers."""

NUMBERS = ("plural", "choices", "answerkey")


@dataclass(frozen=True)
class Side:
    """Where the answers of a pair stand, or its wrong ones.

    Attributes:
        texts: the field with their texts; empty if there is none.
        ids: the field with their token ids; empty if there is none.
    """

    texts: str = ""
    ids: str = ""

    def __bool__(self) -> bool:
        return bool(self.texts or self.ids)


@dataclass(frozen=True)
class Columns:
    """Which fields of a record mean what; empty for what is not there."""

    clean: str
    corrupted: str
    right: Side
    wrong: Side


def known(name: str) -> bool:
    """Whether a plain name of a field means something in some dialect."""
    names = CLEAN + CORRUPTED + ANSWERS + WRONG + YEARS + NUMBERS
    return name in names or is_role(name) or bool(_base(name))


def _base(name: str) -> str:
    """What a column of token ids is of; empty if it is none that we know."""
    found = ID.fullmatch(name)
    base = found["base"] if found else ""
    facts = (*FACTS, *FACTS.values())
    return base if base in (*ANSWERS, *WRONG, *facts) else ""


def columns_of(names: Collection[str]) -> Columns:
    """What the fields of a record mean.

    Args:
        names: their plain names.

    Raises:
        WorkbenchError: two fields could mean the same; the message is a clause.
    """
    right_ids = [n for n in names if _base(n) in (*ANSWERS, *FACTS)]
    wrong_ids = [n for n in names if _base(n) in (*WRONG, *FACTS.values())]
    return Columns(
        clean=_one(names, CLEAN),
        corrupted=_one(names, CORRUPTED),
        right=_side(names, ANSWERS, right_ids),
        wrong=_side(names, WRONG, wrong_ids),
    )


def _one(names: Collection[str], roles: tuple[str, ...]) -> str:
    """The field of a role: the usual name before others, of which there may be one."""
    found = [name for name in roles if name in names]
    if len(found) > 1 and found[0] != roles[0]:
        raise WorkbenchError(
            f"{' and '.join(found)} could each be `{roles[0]}`: name one of them so"
        )
    return found[0] if found else ""


def _side(names: Collection[str], roles: tuple[str, ...], ids: list[str]) -> Side:
    if len(ids) > 1:
        raise WorkbenchError(f"{' and '.join(sorted(ids))} could each be the answers: keep one")
    if ids:
        base = _base(ids[0])
        beside = next((n for n in (base, *BESIDE.get(base, ())) if n in names), "")
        return Side(beside, ids[0])
    return Side(_one(names, roles))
