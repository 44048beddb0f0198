"""The prompt bench: what is typed is what is evaluated and kept, and nothing typed is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.prompt_bench.likeliest import Likeliest
from screens.prompt_bench.lists_dialog import AskLists
from screens.prompt_bench.screen import PromptBench
from screens.prompt_bench.spelling import (
    answers_field,
    answers_of,
    last_begun,
    prompt_field,
    prompt_of,
)
from tasks.pair import Pair
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session

TEXT = st.text(alphabet=st.sampled_from("ab \\|·\n\t\rné"), min_size=1, max_size=8)


@given(TEXT, st.lists(TEXT, max_size=3).map(tuple))
def test_a_field_of_one_line_holds_every_text(prompt: str, answers: tuple[str, ...]) -> None:
    assert prompt_of(prompt_field(prompt)) == prompt
    assert answers_of(answers_field(answers)) == answers
    assert "\n" not in prompt_field(prompt) and " " not in answers_field(answers)
    if answers:
        before, begun = last_begun(answers_field(answers))
        assert begun == answers[-1] and before + answers_field((begun,)) == answers_field(answers)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    session.expand("logits")
    return session


async def opened(pilot: Pilot[Any]) -> PromptBench:
    await settled(pilot)
    await pilot.press("g")  # from another screen than the bench
    await pilot.press("ctrl+y")
    await until(pilot, lambda: isinstance(pilot.app.screen, PromptBench))
    return await rested(pilot)


async def rested(pilot: Pilot[Any]) -> PromptBench:
    bench = next(s for s in pilot.app.screen_stack if isinstance(s, PromptBench))
    await until(pilot, lambda: bench.quiet)
    await until(pilot, lambda: bench.exam is not None and bench.exam.pair == bench.fields.pair)
    return bench


async def typed(pilot: Pilot[Any], field: str, value: str) -> PromptBench:
    bench = next(s for s in pilot.app.screen_stack if isinstance(s, PromptBench))
    bench.query_one(f"#{field}", Input).value = value
    await pilot.pause()
    return await rested(pilot)


def words(bench: PromptBench) -> str:
    return str(bench.query_one("#words", Static).content)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_pair_is_typed_tried_kept_and_undone(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await opened(pilot)
        own = session.pairs.all[0].pair
        assert bench.fields.pair == own and "tokens each" in words(bench)
        await pilot.press("enter")
        await rested(pilot)
        found = session.pairs.try_pair(own)
        assert f"{found.clean:+.3f}"[:6].replace("-", "−") in words(bench).replace("+0", "+0")
        assert "circuit" in screen_text(app)

        # What is typed stays with its pair while one looks at another.
        swapped = Pair(own.corrupted, own.clean, own.wrong_answers, own.answers)
        for name, value in (("clean", own.corrupted), ("corrupted", own.clean)):
            await typed(pilot, name, value)
        await typed(pilot, "answers", answers_field(own.wrong_answers))
        await typed(pilot, "wrong", answers_field(own.answers))
        assert "as it was" in words(bench)
        await pilot.press("down", "up")
        assert (await rested(pilot)).fields.pair == swapped
        before = session.status()
        await pilot.press("ctrl+s")
        await rested(pilot)
        assert session.pairs.in_use[0] == swapped and not bench.drafts
        assert session.status().model_metric != before.model_metric
        await pilot.press("space", "u", "u")
        await rested(pilot)
        assert session.pairs.in_use[0] == own == bench.fields.pair
        assert session.status().model_metric == pytest.approx(before.model_metric)

        await pilot.press("escape")
        assert not isinstance(app.screen, PromptBench)


async def test_what_does_not_fit_is_said_and_mended_when_asked(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        bench = await opened(pilot)
        own = session.pairs.all[0].pair
        await pilot.press("plus")
        await typed(pilot, "clean", own.clean)
        await typed(pilot, "corrupted", own.corrupted + " and")
        assert "the clean prompt stands against" in words(bench)
        await pilot.press("enter")
        await rested(pilot)
        assert not bench.trials
        await typed(pilot, "corrupted", own.corrupted)
        answer = own.answers[0]
        await typed(pilot, "answers", answers_field((answer,)))
        await typed(pilot, "wrong", answers_field((*own.wrong_answers, answer)))
        assert "there twice" in words(bench) and bench.fields.pair.wrong_answers[-1] == answer
        await pilot.press("f2")
        await rested(pilot)
        assert bench.fields.pair == own
        # A typed space is seen, and the model's likeliest tokens are there to be chosen.
        bench.query_one("#wrong", Input).focus()
        await pilot.press("end", "|", "space", "x")
        assert bench.query_one("#wrong", Input).value.endswith("|·x")
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, Likeliest))
        first = session.pairs.next_tokens(own.corrupted, 1)[0].text
        await pilot.press("space", "enter")
        await rested(pilot)
        assert first in bench.fields.pair.wrong_answers


async def test_a_template_makes_many_and_the_bench_follows(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        bench = await opened(pilot)
        own = session.pairs.all[0].pair
        name = own.wrong_answers[0].strip()
        assert own.clean.count(name) == 2
        await typed(pilot, "clean", own.clean.replace(name, "[NAME1]"))
        await typed(pilot, "corrupted", own.corrupted.replace(name, "[NAME1]"))
        await typed(pilot, "wrong", "·[NAME1]")
        assert "template with the slots [NAME1]" in words(bench)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AskLists))
        labels = [label.strip() for label in session.task.answer_labels]
        others = [label for label in labels if label not in own.clean + own.corrupted][:2]
        app.screen.query_one(Input).value = f"NAME: {others[0]}, {others[1]}; pairs: 2"
        await pilot.press("enter")
        await rested(pilot)
        assert len(session.pairs.all) == 6 and session.task.n_pairs == 6
        assert session.pairs.in_use[-1].wrong_answers[0].strip() in others
        await pilot.press("ctrl+y", "escape")
        main = await settled(pilot)
        assert "6 pairs" in screen_text(app)
        assert not session.effects_are_old and main.quiet
