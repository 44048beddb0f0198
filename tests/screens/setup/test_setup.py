"""Setup: fields, lists, prompts in tokens, former sessions; and loading, which can be cancelled."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

import screens.loading
from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.loading import Loading, Progress
from screens.setup.about_line import AboutLine
from screens.setup.complaint_line import ComplaintLine
from screens.setup.known import Known
from screens.setup.screen import SetupScreen
from screens.setup.session_list import SessionList
from screens.widgets.choice import Choice
from screens.widgets.name_list import NameList
from tests.support.tiny_models import tiny_tokenizer
from tests.support.tiny_sessions import until
from tests.support.toy_session import toy_session
from workbench.errors import WorkbenchError
from workbench.experiment.ability import Ability
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.kept_abilities import keep_abilities, known_ability
from workbench.experiment.settings import ExperimentSettings
from workbench.metrics.catalogue import METRICS

pytestmark = pytest.mark.dependencies


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that has a model's configuration and tokenizer, and no weights."""
    folder = tmp_path / "tiny-model"
    tiny_tokenizer(digits="single").save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ExperimentSettings]:
    """What the app was asked to open; nothing is loaded."""
    asked: list[ExperimentSettings] = []
    monkeypatch.setattr(WorkbenchApp, "open_session", lambda self, settings: asked.append(settings))
    return asked


async def settled(pilot: Pilot[Any]) -> SetupScreen:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, SetupScreen))
    setup = app.screen
    assert isinstance(setup, SetupScreen)
    await until(pilot, lambda: setup.known != Known())
    await until(pilot, lambda: setup.quiet)
    return setup


def prompts(setup: SetupScreen) -> str:
    return str(setup.query_one("#prompts-text", Static).content)


async def test_defaults_are_there_to_be_opened(opened: list[ExperimentSettings]) -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        names = [name for name, _ in setup.query_one("#models", NameList).rows]
        assert names[0] == "pocket" and {"smollm2", "known", "gpt2"} <= set(names)
        tasks = [name for name, _ in setup.query_one("#tasks", NameList).rows]
        assert tasks[:4] == ["greater-than", "subject-verb-agreement", "ioi", "induction"]
        await pilot.press("enter")
        assert opened == [ExperimentSettings("pocket", "greater-than")]


async def test_every_field_goes_into_the_request(
    opened: list[ExperimentSettings], model: Path
) -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#model", Input).value = str(model)
        await pilot.click("#tasks", offset=(5, 2))
        assert setup.query_one("#task", Input).value == "ioi"
        setup.query_one("#pairs", Input).value = "7"
        setup.query_one("#seed", Input).value = "3"
        setup.query_one("#metric", Choice).focus()
        await pilot.press("space", "l")
        setup.query_one("#bos", Choice).focus()
        await pilot.press("left")
        await pilot.click("#mismatch")
        await pilot.click("#open")
        assert opened == [
            ExperimentSettings(
                str(model), "ioi", pairs=7, seed=3, metric="prob_diff", bos=False, mismatch="drop"
            )
        ]
        setup.query_one("#pairs", Input).value = ""
        await pilot.press("ctrl+o")
        assert opened[-1].pairs is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model", " ", "Choose a model"),
        ("task", "", "Choose a task"),
        ("pairs", "0", "at least one"),
    ],
)
async def test_what_cannot_be_opened_is_a_sentence(
    opened: list[ExperimentSettings], field: str, value: str, words: str
) -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        setup.query_one(f"#{field}", Input).value = value
        await pilot.press("ctrl+o")
        assert words in str(setup.query_one("#complaint", Static).content)
        assert not opened


async def test_a_wrong_name_is_told_of_before_any_prompts_were_looked_up() -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))
        setup = pilot.app.screen
        assert isinstance(setup, SetupScreen)
        setup.query_one("#pairs", Input).value = "0"
        setup.action_open()
        assert "at least one pair" in setup.query_one(ComplaintLine).said


async def test_what_went_wrong_is_said_once_beside_all_the_rest() -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#sessions").display = True
        setup.query_one("#model", Input).value = "x" * 120
        await pilot.press("ctrl+o")
        await settled(pilot)
        said = setup.query_one(ComplaintLine).said
        assert said.startswith("There is no model") and prompts(setup) == ""
        for id in ("#complaint", "#prompts", "#sessions", "#keys"):
            assert setup.query_one(id).region.bottom <= 24, id
        assert setup.query_one("#keys").region.height == 1
        await pilot.press("backspace")
        await settled(pilot)
        assert (
            setup.query_one(ComplaintLine).said == "" and not setup.query_one("#complaint").display
        )


async def test_what_has_the_focus_is_told_whole_and_moves_nothing_that_is_clicked() -> None:
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        about, button = setup.query_one(AboutLine), setup.query_one("#open")
        place = button.region
        models = setup.query_one("#models", NameList)
        models.focus()
        await pilot.press("down")
        name, words = models.rows[1]
        await until(pilot, lambda: str(about.render()) == f"{name}: {words}")
        setup.query_one("#task", Input).focus()
        task, words = setup.query_one("#tasks", NameList).rows[0]
        await until(pilot, lambda: str(about.render()) == f"{task}: {words}")
        assert about.size.width * about.size.height >= len(words)
        setup.query_one("#metric", Choice).focus()
        await pilot.press("right")
        await until(pilot, lambda: METRICS["logit_diff"].definition in str(about.render()))
        setup.query_one("#ablation", Choice).focus()
        await pilot.press("right")
        await until(pilot, lambda: ABLATIONS["zero"].words in str(about.render()))
        setup.query_one("#pairs", Input).focus()
        await until(pilot, lambda: not about.display)
        assert button.region == place


async def test_what_the_model_was_found_to_do_is_told(model: Path) -> None:
    found = Ability("ioi", "logit_diff", 16, 4.8834, 0.33, 0.9375)
    keep_abilities(str(model), [found, Ability("docstring", refused="It cannot be made.")])
    assert known_ability(str(model), "ioi") == found
    assert known_ability(str(model), "docstring") is None and known_ability("gpt2", "ioi") is None
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#model", Input).value = str(model)
        setup.query_one("#task", Input).value = "ioi"
        told = "is right on 94% of 16 pairs: logit_diff 4.88, corrupted 0.33."
        await until(pilot, lambda: told in prompts(setup))


async def test_prompts_are_shown_in_the_models_tokens(model: Path) -> None:
    async with WorkbenchApp().run_test(size=(120, 30)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#model", Input).value = str(model)
        setup.query_one("#task", Input).value = "greater-than"
        # What setup offers by itself is tokenised too, in years of two tokens.
        await until(pilot, lambda: "·year│·│1│" in prompts(setup))
        text = prompts(setup)
        roles, clean, corrupted, carets = text.splitlines()[:4]
        assert roles.split() == ["role", "noun", "XX", "YY", "END"]
        assert clean.startswith("clean") and corrupted.startswith("corrupted")
        assert "·year│·│1│" in clean, "single digits"
        assert clean.count("│") == corrupted.count("│")
        for i, (a, b) in enumerate(zip(clean, corrupted, strict=True)):
            if a != b and i > 9:
                assert carets[i] == "^"
        await until(pilot, lambda: "pair 1 of 32" in str(setup.query_one("#prompts").border_title))
        first = setup.preview
        await pilot.press("ctrl+right")
        assert "pair 2 of 32" in str(setup.query_one("#prompts").border_title)
        assert prompts(setup) != text
        setup.query_one("#seed", Input).value = "5"
        await until(pilot, lambda: setup.preview is not None and setup.preview != first)


async def test_without_a_tokenizer_an_example_is_shown_in_words() -> None:
    async with WorkbenchApp(ExperimentSettings("no/such-model", "ioi")).run_test(
        size=(80, 24)
    ) as pilot:
        app = pilot.app
        assert isinstance(app, WorkbenchApp)
        app.show_setup()
        setup = await settled(pilot)
        await until(pilot, lambda: setup.preview is not None)
        assert "·Mary│" in prompts(setup)
        assert "not on this machine" in prompts(setup)


async def test_prompts_of_a_file_with_anything_in_it(tmp_path: Path, model: Path) -> None:
    task = tmp_path / "mine.jsonl"
    pair = {
        "clean": "The [red]war[/red] \x1b[2J \u202eto",
        "corrupted": "The [red]keys[/red] \x1b[2J \u202eto",
        "answers": [" war"],
        "wrong_answers": [" keys"],
    }
    task.write_text(json.dumps(pair))
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#model", Input).value = str(model)
        setup.query_one("#task", Input).value = "mine.jsonl"
        await until(pilot, lambda: "<unk>" in prompts(setup))
        assert "\x1b" not in prompts(setup)
        task.write_text('{"clean": ')
        setup.query_one("#seed", Input).value = "1"
        await until(pilot, lambda: setup.preview is None)
        assert "line 1" in prompts(setup)


async def test_names_and_paths_are_completed(tmp_path: Path) -> None:
    (tmp_path / "my-tasks.jsonl").write_text("")
    (tmp_path / "a-folder").mkdir()
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        for field, typed, whole in (
            ("model", "smo", "smollm2"),
            ("model", "a-f", "a-folder/"),
            ("task", "my", "my-tasks.jsonl"),
            ("task", "sub", "subject-verb-agreement"),
        ):
            entry = setup.query_one(f"#{field}", Input)
            entry.focus()
            entry.value = ""
            await pilot.press(*typed.replace("-", "_").split("_")[0])
            if "-" in typed:
                await pilot.press("minus", *typed.split("-")[1])
            await until(pilot, lambda entry=entry, whole=whole: entry._suggestion == whole)  # type: ignore[misc]
            await pilot.press("right")
            assert entry.value == whole


async def test_a_former_session_is_resumed(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_folder / "state" / "sessions"
    folder.mkdir(parents=True)
    session, _ = toy_session(folder)
    session.expand("logits")
    session.close()
    resumed: list[Path] = []
    monkeypatch.setattr(
        WorkbenchApp, "resume_session", lambda self, path, **_: resumed.append(path)
    )
    async with WorkbenchApp().run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        rows = setup.query_one("#sessions", SessionList)
        assert rows.display
        line = str(rows.line(rows.rows[0], 76, False))
        assert "toy" in line and "ioi" in line and line.rstrip().endswith("1")
        assert setup.query_one("#models", NameList).rows[0][0] == "toy", "a recent model"
        rows.focus()
        await pilot.press("enter")
        await pilot.pause()
        assert resumed == [session.path]


async def test_loading_tells_its_steps_and_opens_the_bench(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def begin(settings: ExperimentSettings, say: Progress, *_: Any) -> Any:
        say("Reading [b]weights[/b]", 0.25)
        assert go.wait(20)
        return toy_session(own_folder)[0]

    monkeypatch.setattr(screens.loading, "begin", begin)
    app = WorkbenchApp(ExperimentSettings("toy", "ioi"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Loading))
        steps = app.screen.query_one("#steps", Static)
        await until(pilot, lambda: "25%" in str(steps.content))
        assert "Reading [b]weights[/b]" in str(steps.content)
        go.set()
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


async def test_loading_is_cancelled_at_once_and_what_comes_late_is_let_go(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, ended = threading.Event(), threading.Event()
    session, _ = toy_session(own_folder)

    def begin(settings: ExperimentSettings, say: Progress, *_: Any) -> Any:
        say("Reading", None)
        assert go.wait(20)
        return session

    close = session.close

    def close_and_tell() -> None:
        close()
        ended.set()

    monkeypatch.setattr(session, "close", close_and_tell)
    monkeypatch.setattr(screens.loading, "begin", begin)
    app = WorkbenchApp(ExperimentSettings("toy", "ioi", pairs=9))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Loading))
        await pilot.press("escape")
        setup = await settled(pilot)
        assert "cancelled" in str(setup.query_one("#complaint", Static).content)
        assert setup.query_one("#model", Input).value == "toy"
        assert setup.query_one("#pairs", Input).value == "9"
        go.set()
        assert ended.wait(10), "the session that came late was not closed"
        await pilot.pause()
        assert app.screen is setup


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WorkbenchError("There is no model 'x' [b]."), "There is no model 'x' [b]."),
        (MemoryError(), "not enough memory"),
        (KeyError("strange"), "Unexpected: KeyError"),
    ],
)
async def test_what_does_not_load_is_a_sentence_on_setup(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path, error: Exception, words: str
) -> None:
    def begin(settings: ExperimentSettings, say: Progress, *_: Any) -> Any:
        raise error

    monkeypatch.setattr(screens.loading, "begin", begin)
    app = WorkbenchApp(ExperimentSettings("toy", "ioi"))
    async with app.run_test(size=(80, 24)) as pilot:
        setup = await settled(pilot)
        assert words in str(setup.query_one("#complaint", Static).content)
        if isinstance(error, KeyError):
            log = own_folder / "state" / "workbench.log"
            assert "KeyError" in log.read_text()


async def test_what_is_read_of_a_file_and_what_is_amiss(
    opened: list[ExperimentSettings], tmp_path: Path, model: Path
) -> None:
    header = "clean;corrupted;answers;wrong_answers"
    rows = ["The war ;The keys ; to; and", "The war;The;to; and", "The war;The keys; to; and"]
    task = tmp_path / "excel.csv"
    task.write_text("\n".join([header, *rows, ";;;"]))
    async with WorkbenchApp().run_test(size=(160, 48)) as pilot:
        setup = await settled(pilot)
        setup.query_one("#model", Input).value = str(model)
        setup.query_one("#task", Input).value = str(task)
        await until(pilot, lambda: setup.quiet and "excel.csv" in prompts(setup))
        shown = prompts(setup)
        assert "3 pairs in excel.csv, a table parted by semicolons: texts." in shown
        assert "1 of 3 pairs cannot be used (1 whose prompts differ in token length)" in shown
        assert "choose 'drop all'. Pair 2: the prompts differ in token length, 2 and 1" in shown
        assert "Warning: Pairs whose prompt ends in a space: 1 of 2" in shown
        setup.query_one("#mismatch", Choice).focus()
        await pilot.press("left")
        await until(pilot, lambda: setup.quiet and "length): left out." in prompts(setup))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: bool(opened))
        assert opened[-1].drop_bad and opened[-1].mismatch == "refuse"
