"""A table of heads: sorted, filtered, its kinds, and elsewhere and back."""

from __future__ import annotations

import json

import pytest

from workbench.errors import WorkbenchError
from workbench.readouts.heads.columns import COLUMNS, KINDS
from workbench.readouts.heads.table import HeadTable, check_words, restored

VALUES = {
    "previous": (0.9, 0.1, 0.0, 0.2),
    "induction": (0.0, 0.5, 0.7, 0.1),
    "entropy": (2.0, 1.0, 3.0, None),
    "copying": (0.0, 1.0, 0.0, 0.6),
    "negative": (0.0, 0.0, 0.0, 0.0),
    "carried": (0.0, 1.0, 1.0, 1.0),
}
TABLE = HeadTable(2, 2, VALUES, "effective", 0, ("A note.",))


def test_what_one_looks_for_comes_first_and_unknown_numbers_last() -> None:
    assert TABLE.ordered("previous") == ("a0.h0", "a1.h1", "a0.h1", "a1.h0")
    assert TABLE.ordered("entropy") == ("a0.h1", "a0.h0", "a1.h0", "a1.h1")  # the sharpest
    assert TABLE.ordered("entropy", reverse=True) == ("a1.h0", "a0.h0", "a0.h1", "a1.h1")
    assert TABLE.ordered() == TABLE.heads == ("a0.h0", "a0.h1", "a1.h0", "a1.h1")
    assert TABLE.ordered("rank")[:2] == ("a0.h1", "a1.h1")
    assert TABLE.value("a1.h1", "rank") == 2 and TABLE.value("a0.h0", "rank") == 3
    with pytest.raises(WorkbenchError, match="no column 'direct'"):
        TABLE.ordered("direct")
    with pytest.raises(WorkbenchError, match=r"no head a7\.h0"):
        TABLE.value("a7.h0", "copying")


def test_words_that_must_all_hold() -> None:
    assert TABLE.matching("") == TABLE.heads
    assert TABLE.matching("a1.") == ("a1.h0", "a1.h1")
    assert TABLE.matching("ind") == ("a0.h1", "a1.h0")
    assert TABLE.matching("IND copying>=1") == ("a0.h1",)
    assert TABLE.matching("entropy<2.5 previous>0.05") == ("a0.h0", "a0.h1")
    assert TABLE.matching("nothing") == ()
    with pytest.raises(WorkbenchError, match="no column 'size'"):
        TABLE.matching("size>1")
    with pytest.raises(WorkbenchError, match="no column 'size'"):
        check_words("ind size>1")
    check_words("ind copying>.5 direct<-1")


def test_kinds_marks_and_what_a_group_looks_like() -> None:
    assert TABLE.marks() == {"a0.h0": "prev", "a0.h1": "copy ind", "a1.h0": "ind", "a1.h1": "copy"}
    assert TABLE.looks_like(["a0.h0"]) == (("previous-token head", 0.9),)
    ((name, mean),) = TABLE.looks_like(["a0.h1", "a1.h0"])
    assert name == "induction heads" and mean == pytest.approx(0.6)
    assert TABLE.looks_like(["a0.h1"])[0] == ("copying head", 1.0)
    assert TABLE.looks_like(["a0.h0", "a1.h0"]) == ()
    assert TABLE.looks_like(["a0.h1", "m0"]) == () == TABLE.looks_like([])


def test_elsewhere_and_back() -> None:
    again = restored(json.loads(json.dumps(TABLE.kept())), 2, 2)
    assert again == TABLE
    value = json.loads(json.dumps(TABLE.to_json(["a1.h0"])))
    assert value["heads"] == [
        {
            "head": "a1.h0",
            "kinds": ["induction head"],
            **{name: numbers[2] for name, numbers in VALUES.items()},
            "rank": 3.0,
        }
    ]
    assert value["columns"]["entropy"] == COLUMNS["entropy"].definition
    table = TABLE.table()
    assert table.columns == ("head", "kinds", *VALUES, "rank")
    assert table.rows[3][4] is None
    for changed in ({"n_heads": 3}, {"source": "x"}, {"values": {"previous": [0.0]}}):
        with pytest.raises(ValueError, match=r"of an|columns"):
            restored({**TABLE.kept(), **changed}, 2, 2)


def test_the_catalogue_is_whole() -> None:
    assert all(len(column.title) <= 6 for column in COLUMNS.values())
    assert all(column.definition.endswith((".", ")")) for column in COLUMNS.values())
    assert all(kind.column in COLUMNS and len(kind.mark) <= 5 for kind in KINDS)
