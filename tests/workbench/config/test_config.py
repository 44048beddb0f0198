"""What `config.toml` says, where it says it, and what becomes of what cannot be followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.config.catalogue import SETTINGS, TABLES
from workbench.config.config import Config
from workbench.config.new_file import new_file
from workbench.config.setting import literal
from workbench.config.toml_file import TomlFile


def read(folder: Path, text: str | bytes, **environment: str) -> Config:
    data = text.encode() if isinstance(text, str) else text
    (folder / "config.toml").write_bytes(data)
    return Config(folder, environment)


def test_without_a_file_every_default_holds(tmp_path: Path) -> None:
    config = Config(tmp_path / "nowhere", {})
    assert not config.problems and not config.keys
    assert config.values == {name: setting.default for name, setting in SETTINGS.items()}
    assert {str(config.origin(name)) for name in SETTINGS} == {"default"}
    assert not config.layout.more and sum(config.layout.widths) == pytest.approx(1)
    assert (config.settings.model, config.settings.task, config.settings.pairs) == ("", "", None)


def test_a_new_file_says_every_setting_once_and_changes_nothing(tmp_path: Path) -> None:
    config = read(tmp_path, new_file())
    assert not config.problems and not config.keys
    assert {str(config.origin(name)) for name in SETTINGS} == {"default"}
    for name in SETTINGS:
        assert new_file().count(f"\n# {name.rpartition('.')[2]} = ") == 1, name


def test_what_a_new_file_shows_can_be_made_to_hold(tmp_path: Path) -> None:
    text = "\n".join(line.removeprefix("# ") for line in new_file().split("\n"))
    config = read(tmp_path, text)
    assert not [p.sentence for p in config.problems if "keys.toml" not in p.sentence]
    assert {config.origin(name).kind for name in SETTINGS} == {"file"}
    assert config.keys["bench.undo"].keys == ("u", "ctrl+z")


def test_every_setting_refuses_another_type_and_says_what_it_takes(tmp_path: Path) -> None:
    for name, setting in SETTINGS.items():
        table, _, key = name.rpartition(".")
        head = f"[{table}]\n" if table else ""
        config = read(tmp_path, f"# one\n{head}{key} = 1979-05-27\n")
        [problem] = config.problems
        assert (problem.path, problem.line) == (tmp_path / "config.toml", 3 if table else 2)
        assert problem.sentence.startswith(f"config.toml, line {problem.line}: {name} has to be ")
        assert setting.takes in problem.sentence and problem.sentence.endswith(".")
        assert config[name] == setting.default and str(config.origin(name)) == "default"


@pytest.mark.parametrize(
    "line",
    [
        'theme = ""',
        "effects = 'fulll'",
        "threshold = 'share 2'",
        "threshold = 'top 1.5'",
        "threshold = 'value -1'",
        "threshold = '0.02'",
        "plugins = ['lab.py']",
        "plugins = 'lab.py:X'",
        "layout.more = 1",
        "layout.full = 'yes'",
        "layout.widths = [1, 1]",
        "layout.widths = [1, 0, 1]",
        "layout.widths = [1, inf, 1]",
        "layout.widths = [1, nan, 1]",
        "defaults.pairs = 0",
        "defaults.pairs = true",
        "defaults.device = 'gpu'",
        "defaults.dtype = 'float128'",
        "defaults.metric = 'none'",
        "defaults.ablation = 'none'",
    ],
)
def test_a_value_that_will_not_do_is_one_problem(tmp_path: Path, line: str) -> None:
    config = read(tmp_path, line)
    assert [problem.line for problem in config.problems] == [1]
    assert config.values == {name: setting.default for name, setting in SETTINGS.items()}


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    config = read(tmp_path, 'them = "nord"\n\n[layout]\nmor = 2\n[colours]\nzzz = 1\n')
    assert [problem.sentence for problem in config.problems] == [
        "config.toml, line 1: there is no setting 'them'. Did you mean 'theme'?",
        "config.toml, line 4: there is no setting 'layout.mor'. Did you mean 'layout.more'?",
        "config.toml, line 6: there is no setting 'colours.zzz'.",
    ]


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    for name in TABLES:
        [problem] = read(tmp_path, f"{name} = 3").problems
        assert "has to be a table" in problem.sentence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("theme = 'nord'\neffects = \n", 2),
        ("theme = 'nord'\n[layout\n", 2),
        ("theme = 'nord'\ntheme = 'dracula'\n", 2),
        ('theme = """nord\n\n', 3),
        (b"theme = '\xff'", 0),
        ("x" * 1_100_000, 0),
    ],
)
def test_a_broken_file_is_one_sentence_and_defaults_hold(
    tmp_path: Path, text: str | bytes, line: int
) -> None:
    config = read(tmp_path, text)
    [problem] = config.problems
    assert problem.line == line and config["theme"] == SETTINGS["theme"].default
    assert "\n" not in problem.sentence


def test_a_folder_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    [problem] = Config(tmp_path, {}).problems
    assert "cannot be read" in problem.sentence


def test_a_variable_goes_before_the_file_before_the_default(tmp_path: Path) -> None:
    text = 'theme = "nord"\n[defaults]\npairs = 5\n'
    config = read(tmp_path, text, WORKBENCH_THEME="dracula", WORKBENCH_LAYOUT_WIDTHS="[2, 1, 1]")
    assert config["theme"] == "dracula" and str(config.origin("theme")) == "WORKBENCH_THEME"
    assert config["defaults.pairs"] == 5 and str(config.origin("defaults.pairs")) == "config.toml:3"
    assert config.layout.widths == (0.5, 0.25, 0.25)
    assert config.defaults == {"pairs": 5}


def test_a_variable_that_will_not_do_is_named(tmp_path: Path) -> None:
    config = Config(tmp_path, {"WORKBENCH_DEFAULTS_PAIRS": "many", "WORKBENCH_EFFECTS": "x"})
    assert [problem.path for problem in config.problems] == [None, None]
    assert "The environment variable WORKBENCH_EFFECTS has to be" in config.problems[0].sentence


def test_no_two_settings_have_one_variable_nor_one_of_the_folders() -> None:
    variables = [setting.variable for setting in SETTINGS.values()]
    taken = {"WORKBENCH_CONFIG", "WORKBENCH_STATE", "WORKBENCH_CACHE"}
    assert len(set(variables)) == len(variables) and not taken & set(variables)


def test_lines_of_every_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        '# head\na.b = 1\n"c.d" = [\n 1,\n # in between\n 2]\n\n[e]\n\nf = """\nx\n"""\n'
        "g = {h = 1}\n[[i]]\nj = 2\n"
    )
    file = TomlFile(path)
    lines = [("a",), ("a", "b"), ("c.d",), ("e",), ("e", "f"), ("e", "g", "h"), ("i",), ("z",)]
    assert [file.line(*keys) for keys in lines] == [2, 2, 3, 8, 10, 13, 14, 0]


def test_keys_come_from_a_file_and_from_the_table_which_goes_before(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[bench]\nundo = "z"\nexpand = "x"\n')
    text = 'keymap = "mine.toml"\n[keys]\nbench.undo = ["u", "f2"]\nbench.redo = 3\n'
    config = read(tmp_path, text)
    assert config.keys["bench.undo"].keys == ("u", "f2") and config.keys["bench.undo"].line == 3
    assert config.keys["bench.expand"].keys == ("x",)
    assert config.keys["bench.expand"].problem("no.").sentence == "mine.toml, line 3: no."
    assert [p.line for p in config.problems] == [4]


def test_a_keymap_that_is_not_there_is_told(tmp_path: Path) -> None:
    [problem] = read(tmp_path, 'keymap = "gone.toml"').problems
    assert problem.line == 1 and "gone.toml" in problem.sentence


def test_paths_of_plugins_begin_in_the_folder(tmp_path: Path) -> None:
    config = read(tmp_path, 'plugins = ["./lab.py:X", "/abs/lab.py:Y"]')
    assert config.plugins == (str(tmp_path / "lab.py") + ":X", "/abs/lab.py:Y")


def test_literals_are_read_back() -> None:
    import tomllib

    for value in ('a "b" \\ é 😀 \x7f\n', 1, 0.25, ["x", "y"], True):
        assert tomllib.loads(f"v = {literal(value)}")["v"] == value


def test_reading_imports_neither_torch_nor_textual_nor_tomlkit(tmp_path: Path) -> None:
    text = 'theme = "nord"\nthreshold = "top 3"\n[defaults]\nmetric = "kl"\nablation = "zero"\n'
    (tmp_path / "config.toml").write_text(text)
    code = (
        "import sys; from pathlib import Path; from workbench.config.config import Config\n"
        f"c = Config(Path({str(tmp_path)!r}), {{}}); assert not c.problems; c.threshold\n"
        "print({'torch', 'textual', 'tomlkit', 'numpy', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
