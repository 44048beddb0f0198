"""Lenses in the readouts: maps, ranks, directions, and reading through a Jacobian lens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screens.readouts.head import shown_tabs
from screens.readouts.panel import Readouts
from screens.readouts.shapes import draw_shape
from screens.widgets.dialogs import Ask
from tests.screens.readouts.test_readouts import head_of, host, settled, text_of
from tests.support.tiny_sessions import Host, tiny_session, until
from workbench.readouts.catalogue import READOUTS
from workbench.readouts.jacobian.files import save_lens
from workbench.readouts.jacobian.resume import fit_lens
from workbench.readouts.shapes import Grid
from workbench.session.session import Session

pytestmark = [pytest.mark.slow]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return tiny_session(tmp_path)


@pytest.fixture
def lens_file(session: Session, tmp_path: Path) -> Path:
    texts = ["When Mary and John went to the store, John gave a drink to"] * 2
    path = tmp_path / "lens.pt"
    lens = fit_lens(session.loaded_model, texts, path, skip=2).lens
    save_lens(lens, path)
    return path


async def turned_to(pilot: Pilot[None], app: Host, name: str) -> Readouts:
    readouts = app.query_one(Readouts)
    readouts.focus()
    names = list(READOUTS)
    await pilot.press(*["right"] * names.index(name))
    await settled(pilot)
    return readouts


async def test_the_map_has_every_token_and_its_colour_is_turned(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        readouts = await turned_to(pilot, app, "map")
        await pilot.press("greater_than_sign")
        await settled(pilot)
        text = text_of(app)
        assert text.startswith("Lens map, prompt 1") and "shade: probability" in text
        found = session.readouts.read("map", pair=0)
        assert isinstance(found, Grid)
        for row in found.texts:
            for token in row:
                assert token.strip()[:6] in text
        # What does not fit side by side stands below, and nothing is wider than the panel.
        assert text.count("after ") > 1 and " ".join(text.split()).count(
            "last positions stand first"
        )
        assert max(map(len, text.splitlines())) <= 80
        await pilot.press("semicolon")
        await settled(pilot)
        assert "[;] by rank" in head_of(app) and "shade: 1 / rank" in text_of(app)
        ranked, shown = session.readouts.read("map", pair=0, by="rank"), readouts.result
        assert isinstance(ranked, Grid) and isinstance(shown, Grid)
        assert np.array_equal(np.asarray(ranked.values), np.asarray(shown.values))


async def test_a_lens_of_a_file_is_read_through_and_left_again(
    session: Session, lens_file: Path
) -> None:
    app = host()
    async with app.run_test(size=(80, 30)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        readouts = await turned_to(pilot, app, "jacobian")
        assert "No Jacobian lens of" in text_of(app)
        await pilot.press("backslash")
        await pilot.pause()
        assert isinstance(app.screen, Ask)
        app.screen.query_one(Input).value = str(lens_file)
        await pilot.press("enter")
        await until(pilot, lambda: "Jacobian lens: m0" in text_of(app))
        assert session.readouts.jacobian_from == str(lens_file)
        wanted = session.readouts.lens("m0", through=True)
        assert readouts.result == wanted
        await pilot.press("left")  # the residual lens, read through it as well
        await settled(pilot)
        assert "[~] Jacobian" in head_of(app)
        assert text_of(app).startswith("Jacobian lens of the residual")
        await pilot.press("tilde")
        await settled(pilot)
        assert "[~]" not in head_of(app) and text_of(app).startswith("Residual stream")


async def test_a_file_that_is_no_lens_is_said_and_the_old_one_stays(
    session: Session, lens_file: Path, tmp_path: Path
) -> None:
    session.readouts.use_jacobian(lens_file)
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"nothing")
    app = host()
    async with app.run_test(size=(80, 30)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        await turned_to(pilot, app, "jacobian")
        before = text_of(app)
        await pilot.press("backslash")
        await pilot.pause()
        app.screen.query_one(Input).value = str(wrong)
        await pilot.press("enter")
        await until(pilot, lambda: bool(app._notifications))
        (said,) = [note.message for note in app._notifications]
        assert "cannot be used as a Jacobian lens" in said
        assert text_of(app) == before


async def test_a_direction_is_named_and_read(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 30)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        await turned_to(pilot, app, "direction")
        assert text_of(app) == "Name the direction that is to be read: press ^."
        await pilot.press("circumflex_accent")
        await pilot.pause()
        await pilot.press(*"unembed: Mary", "enter")
        await until(pilot, lambda: "Lens of unembed:' Mary'" in text_of(app))
        await pilot.press("right")
        await settled(pilot)
        assert "Along unembed:' Mary'" in text_of(app) and "all·else" in text_of(app)
        await pilot.press("circumflex_accent")
        await pilot.pause()
        app.screen.query_one(Input).value = "nothing.npy"
        await pilot.press("enter")
        await until(pilot, lambda: "names no direction" in text_of(app))


async def test_ranks_the_circuit_and_the_curves_by_answer(session: Session) -> None:
    session.expand("logits", keep=("m0->logits",))
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        await turned_to(pilot, app, "ranks")
        assert text_of(app).startswith("Rank of the answers at the last token, median of 4")
        await pilot.press("right")
        await settled(pilot)
        assert text_of(app).startswith("Logit lens of m0 at the last token in model and circuit")
        await pilot.press("right")
        await settled(pilot)
        assert text_of(app).startswith("Lens of m0 at the last token by answers, 4 prompts")


def test_as_many_tabs_as_fit_stand_around_the_chosen_one() -> None:
    sizes = [4, 6, 5, 4, 5, 3, 3, 5]
    assert shown_tabs(sizes, 3, 80) == (0, 7)
    for width in range(12, 46):
        for view in range(len(sizes)):
            first, last = shown_tabs(sizes, view, width)
            assert 0 <= first <= view <= last < len(sizes)
            taken = sum(sizes[first : last + 1]) + last - first + 2
            assert first == last or taken + 2 * ((first, last) != (0, 7)) <= width


@pytest.mark.parametrize("width", [30, 60, 200])
def test_maps_of_tokens_keep_to_the_width(width: int) -> None:
    texts = tuple(tuple(f" token{i}{j}" for j in range(9)) for i in range(3))
    values = np.linspace(-1, 1, 27).reshape(3, 9)
    grid = Grid("A map", ("embed", "0", "1"), tuple("abcdefghi"), values, texts=texts)
    drawn = draw_shape(grid, width).plain
    assert max(map(len, drawn.splitlines())) <= max(width, 36)
    for row in texts:
        for text in row:
            assert text.replace(" ", "·") in drawn
    assert ("last positions stand first" in drawn.replace("\n", " ")) == (width < 100)


async def test_a_key_steps_from_role_to_role_and_back(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        app.query_one(Readouts).show(session, "m0")
        readouts = await turned_to(pilot, app, "lens")
        await pilot.press("vertical_line")
        await settled(pilot)
        assert "role END" in head_of(app) and readouts.role == "END"
        roles = session.prompts(0).roles
        await pilot.press("comma")
        await settled(pilot)
        assert readouts.role == roles[-2] and f"role {roles[-2]}" in head_of(app)
        assert f"at {roles[-2]}, mean of" in text_of(app)
        await pilot.press("greater_than_sign", "full_stop")
        await settled(pilot)
        assert f"role {roles[-1]}" in head_of(app) and readouts.pair == 0
        await pilot.press("vertical_line")
        await settled(pilot)
        assert "role " not in head_of(app) and readouts.role is None
