"""`workbench config`, and what the user's settings do to the other commands."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.cli.main import main
from workbench.config.catalogue import SETTINGS
from workbench.config.config import forget
from workbench.config.new_file import new_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def say(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text)
    forget()


def test_show_tells_every_setting_and_where_it_comes_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(folder, '\neffects = "along"\n[keys]\nbench.expand = "x"\n')
    monkeypatch.setenv("WORKBENCH_DEFAULTS_PAIRS", "8")
    assert main(["config", "show"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [*SETTINGS, "keys.bench.expand"]
    told = {row[0]: (row[1], row[-1]) for row in rows}
    assert told["effects"] == ('"along"', "config.toml:2")
    assert told["defaults.pairs"] == ("8", "WORKBENCH_DEFAULTS_PAIRS")
    assert told["theme"] == ('"textual-dark"', "default")
    assert told["keys.bench.expand"][1] == "config.toml:4"


def test_show_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(folder, 'threshold = "top 7"\nthem = 1\n')
    assert main(["config", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    by_name = {setting["name"]: setting for setting in told["settings"]}
    assert list(by_name) == list(SETTINGS)
    assert by_name["threshold"]["value"] == "top 7"
    assert by_name["threshold"]["from"] == {"kind": "file", "name": "config.toml", "line": 1}
    assert [problem["line"] for problem in told["problems"]] == [2]


def test_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "config.toml")


def test_check_says_that_all_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert "does not exist" in capsys.readouterr().out
    say(folder, new_file())
    assert main(["config", "check"]) == 0
    assert "is all right" in capsys.readouterr().out


def test_check_tells_each_problem_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lab.py").write_text("THING = 1\n")
    say(folder, 'effects = 3\nplugins = ["lab.py:THING", "lab.py:GONE", "gone.py:X"]\n')
    assert main(["config", "check"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "config.toml, line 1", *["config.toml, line 2"] * 3
    ]  # fmt: skip
    assert "is none of these: task, " in lines[1] and "no file" in lines[3]
    assert main(["config", "check", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert [problem["line"] for problem in told["problems"]] == [1, 2, 2, 2]


def editor(folder: Path, body: str) -> str:
    path = folder / "my editor"
    path.write_text(f"#!{sys.executable}\nimport sys\npath = sys.argv[-1]\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}' --wait"


def test_edit_makes_the_file_and_checks_it_afterwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "text = open(path).read(); open(path, 'w').write('them = 1\\n' + text)"
    monkeypatch.setenv("VISUAL", editor(folder, body))
    monkeypatch.setenv("EDITOR", "false")
    assert main(["config", "edit"]) == 2
    assert "Did you mean 'theme'?" in capsys.readouterr().out
    assert (folder / "config.toml").read_text() == "them = 1\n" + new_file()


def test_edit_without_an_editor_names_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, says in ((None, "Neither VISUAL"), ("/no/ed", "cannot be"), ("false", "ended")):
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.delenv("EDITOR", raising=False)
        if command:
            monkeypatch.setenv("EDITOR", command)
        assert main(["config", "edit"]) == 2
        told = capsys.readouterr().err
        assert says in told and str(folder / "config.toml") in told


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"WORKBENCH_CONFIG": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "workbench", *words],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip


def test_a_default_holds_where_no_option_is_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is refused for the default's sake, or for the option's in its place."""
    say(folder, '[defaults]\nmodel = "./no-such-default.gguf"\ntask = "ioi"\n')
    assert main(["open"]) == 2
    assert "no-such-default" in capsys.readouterr().err
    assert main(["open", "./no-such-option.gguf"]) == 2
    told = capsys.readouterr().err
    assert "no-such-option" in told and "no-such-default" not in told


@pytest.mark.slow
def test_a_command_tells_what_is_wrong_and_goes_on_with_defaults(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(folder, 'effects = "fulll"\n[defaults]\npairs = 3\ndevice = "cpu"\n')
    circuit = str(folder / "c.json")
    found = ["discover", "pocket", "ioi", "--method", "eap", "--edges", "9", "--output", circuit]
    assert main(found) == 0
    assert capsys.readouterr().err.count("config.toml, line 1: effects has to be") == 1
    assert main(["evaluate", "pocket", "ioi", circuit, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"] == 3 and told["device"] == "cpu"


def test_a_plugin_of_the_file_is_in_its_catalogue(folder: Path) -> None:
    (folder / "lab.py").write_text(
        "from dataclasses import replace\n"
        "from workbench.discovery.catalogue import METHODS\n"
        "from workbench.transformer.families.catalogue import Family\n"
        "MINE = replace(METHODS['eap'], name='my-own', title='of my own')\n"
        "ARCEE = Family('arcee-of-mine', \"Arcee's AFM\", adapter='x:y')\n"
    )
    say(folder, 'plugins = ["lab.py:MINE", "lab.py:ARCEE", "lab.py:GONE"]\n')
    listed = run(folder, "discover", "--list")
    assert "my-own  (edges)  of my own" in listed.stdout
    assert listed.stderr.count("lab.py:GONE is left out") == 1
    assert "arcee-of-mine: Arcee's AFM" in run(folder, "models").stdout
    assert "my-own" not in run(folder / "elsewhere", "discover", "--list").stdout


def test_the_version_waits_for_no_settings() -> None:
    code = (
        "import sys; from workbench.cli.main import main; main(['--version'])\n"
        "print({'workbench.config.config', 'tomllib', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[1] == "set()"
