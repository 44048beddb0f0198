"""Settings written to the file: what else is in it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.change import make, save
from workbench.config.config import Config
from workbench.config.new_file import new_file
from workbench.errors import WorkbenchError

MINE = """\
# mine
effects = "full"   # why

[layout] # of the bench
widths = [
  1, # circuit
  2, 3,
]
[keys]
bench.expand = "x"
"""


def lines(folder: Path) -> list[str]:
    return (folder / "config.toml").read_text().split("\n")


def test_one_line_changes_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(MINE)
    save({"effects": "along"}, tmp_path)
    assert lines(tmp_path) == MINE.replace('"full"', '"along"').split("\n")


def test_new_ones_come_in_and_comments_and_order_stay(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(MINE)
    save({"theme": "nord", "layout.more": True, "defaults.pairs": 3}, tmp_path)
    config = Config(tmp_path, {})
    assert not config.problems
    assert (config["theme"], config.layout.more, config.defaults) == ("nord", True, {"pairs": 3})
    assert config["effects"] == "full" and config.keys["bench.expand"].keys == ("x",)
    kept = [line for line in lines(tmp_path) if line in MINE.split("\n") and line]
    assert kept == [line for line in MINE.split("\n") if line]


def test_a_commented_line_is_the_place(tmp_path: Path) -> None:
    save({"theme": "nord", "layout.widths": (1, 2, 1)}, tmp_path)
    before, after = new_file().split("\n"), lines(tmp_path)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        ('# theme = "textual-dark"', 'theme = "nord"'),
        ("# widths = [0.25, 0.417, 0.333]", "widths = [1, 2, 1]"),
    ]
    assert Config(tmp_path, {}).layout.widths == (0.25, 0.5, 0.25)


def test_the_same_value_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(MINE)
    when = (tmp_path / "config.toml").stat().st_mtime_ns
    save({"effects": "full"}, tmp_path)
    assert (tmp_path / "config.toml").stat().st_mtime_ns == when


def test_a_broken_file_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("theme = \n")
    with pytest.raises(WorkbenchError, match="line 1"):
        save({"theme": "nord"}, tmp_path)
    assert (tmp_path / "config.toml").read_text() == "theme = \n"


def test_a_value_that_will_not_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"layout\.more has to be"):
        save({"layout.more": 7}, tmp_path)
    assert not (tmp_path / "config.toml").exists()


def test_a_table_in_line_takes_one_more(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("layout = {more = true}\n")
    save({"layout.full": True}, tmp_path)
    config = Config(tmp_path, {})
    assert not config.problems and config.layout.full


def test_a_table_of_another_kind_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("layout = 3\n")
    with pytest.raises(WorkbenchError, match=r"layout\.full cannot be put"):
        save({"layout.full": True}, tmp_path)


def test_make_makes_the_file_once(tmp_path: Path) -> None:
    path = make(tmp_path / "a" / "b")
    assert path.read_text() == new_file()
    path.write_text("# mine\n")
    assert make(tmp_path / "a" / "b").read_text() == "# mine\n"
