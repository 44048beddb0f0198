"""The screen of clusters: settings, the search, what was found, and what is done with a circuit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from textual.widgets import Button, Input

from screens.app import WorkbenchApp
from screens.base.numbers import plain
from screens.bench.screen import BenchScreen
from screens.clusters.cluster_list import ClusterList
from screens.clusters.screen import BELOW, LIST, ClustersScreen
from screens.clusters.settings import ClusterSettings
from screens.clusters.text import VIEWS, describe
from screens.widgets.ask_path import AskPath
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Export
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.cluster_cases import mixed_session, pocket
from tests.support.tiny_sessions import until
from workbench.circuits.circuit import Circuit
from workbench.discovery.clusters.clustering import Criteria
from workbench.discovery.clusters.find import Cluster, Clusters, Worth
from workbench.discovery.clusters.request import ClusterRequest
from workbench.engine.evaluator import Evaluator
from workbench.errors import Cancelled
from workbench.formats import load_circuit
from workbench.session.prompt_clusters import ClusterResult
from workbench.session.session import Session

pytestmark = pytest.mark.slow

SIZES = [(80, 24), (160, 48)]
N = 4
TWO = ClusterRequest("eap", edges=40, k=2, normalise=True)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return mixed_session(tmp_path, N)


@pytest.fixture
def found(session: Session) -> Session:
    session.clusterer.run(TWO)
    return session


async def opened(pilot: Any) -> ClustersScreen:
    await settled(pilot)
    await pilot.press("K")
    await until(pilot, lambda: isinstance(pilot.app.screen, ClustersScreen))
    screen = pilot.app.screen
    await until(pilot, lambda: screen._shown is not None)
    return screen


def told(app: WorkbenchApp) -> str:
    return " ".join(notification.message for notification in app._notifications)


def said(screen: ClustersScreen) -> str:
    return str(screen.query_one("#found Static").render())


@pytest.mark.parametrize("size", SIZES)
async def test_settings_are_changed_by_keys_and_mouse_and_clusters_found(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert "enter finds them" in said(screen)
        fields = screen.query_one(ClusterSettings)
        assert fields.request() == ClusterRequest("eap-ig", edges=session.graph.n_edges // 10)
        await pilot.press("t", "left", "tab", *"40", "tab")
        number = fields.query_one("#number", Choice)
        for _ in range(4):  # by silhouette, elbow, gap, 1, 2
            await pilot.click(number)
        assert number.value == "2"
        await pilot.press("tab", "tab")
        assert fields.request() == TWO
        await pilot.click(Button)
        await until(pilot, lambda: session.clusterer.held is not None and not screen.running, 60)
        held = session.clusterer.held
        assert (
            held is not None and held.request == TWO and held.clusters.labels == [0] * N + [1] * N
        )
        row, other = screen.query_one(ClusterList).rows
        cluster = held.clusters.clusters[0]
        experiment = session._engine.experiment
        values = np.array(Evaluator(experiment, cluster.circuit).value().per_pair)
        clean, corrupted = (
            np.array(run.per_pair) for run in (experiment.clean, experiment.corrupted)
        )
        for value, pairs in ((row.own, slice(0, N)), (row.others, slice(N, 2 * N))):
            span = clean[pairs].mean() - corrupted[pairs].mean()
            expected = (values[pairs].mean() - corrupted[pairs].mean()) / span
            assert value == pytest.approx(expected, abs=1e-4)
        assert (row.number, row.pairs, row.edges) == (1, N, cluster.circuit.n_edges)
        text = screen_text(app)
        assert plain(row.own, 3) in text and plain(row.others, 3) in text
        prompts = [pair.clean for pair in session._engine.batch.task.pairs]
        assert all(prompt in said(screen) for prompt in prompts[:N])
        assert f"◆{row.medoid:>5}  {prompts[row.medoid - 1]}" in said(screen)
        assert "own   others  (faithfulness)" in str(screen.query_one(ClusterList).heading(60))
        screen.query_one(ClusterList).focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: prompts[N] in said(screen))
        assert screen.chosen == other and prompts[0] not in said(screen)
        assert "clusters for these settings" in told(app) and not screen.running


async def test_edges_are_scored_by_role_where_that_is_chosen(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        fields = screen.query_one(ClusterSettings)
        over = fields.query_one("#over", Choice)
        assert over.region.right <= screen.size.width and "whole" in screen_text(app)
        await pilot.click(over)
        assert fields.request().by_role and "by role" in screen_text(app)
        await pilot.click(Button)
        await until(pilot, lambda: session.clusterer.held is not None and not screen.running, 60)
        held = session.clusterer.held
        assert held is not None and held.request.by_role
        circuit = held.clusters.clusters[0].circuit
        assert circuit.at
        session.clusterer.take(1)
        assert session.circuit == circuit


@pytest.mark.parametrize("size", SIZES)
async def test_every_view_is_reached_and_says_what_was_found(
    session: Session, size: tuple[int, int]
) -> None:
    held = session.clusterer.run(replace(TWO, k=None, by="elbow"))
    said_by = held.clusters.criteria
    assert said_by is not None
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        seen = screen_text(app)
        for _ in VIEWS[1:]:
            await pilot.press("V")
            await pilot.pause()
            seen += screen_text(app)
        clusters = held.clusters
        for row in (*clusters.cross, *clusters.overlap):
            for value in row:
                assert plain(value, 3) in seen
        for worth in (clusters.worth, clusters.together):
            assert plain(worth.distance) in seen and plain(worth.oracle) in seen
        chance = clusters.chance("distance")
        assert chance is not None and all(plain(value) in seen for value in chance.values())
        assert "5 random splits" in seen
        others = f"(silhouette {said_by.silhouette}, gap {said_by.gap})"
        assert f"{said_by.elbow} by elbow {others}" in screen_text(app)
        if size == SIZES[0]:
            await pilot.press("4")
            assert screen.view == "worth" and "Faithfulness of each" not in screen_text(app)
            await pilot.click("PanelTabs", offset=(2, 0))
            assert screen.view == "prompts"


async def test_a_circuit_is_put_beside_taken_and_written(found: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=found)
    held = found.clusterer.found()
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        screen.query_one(ClusterList).move_to(1)
        await pilot.press("B")
        await until(pilot, lambda: len(found.side_by_side.places) == 2)
        assert found.side_by_side.places[1].name == "cluster 2 of 2"
        second = held.clusters.clusters[1].circuit
        assert found.side_by_side.places[1].circuit == second
        await pilot.press("L")
        await until(pilot, lambda: found.circuit.edges() == second.edges())
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, Export))
        path = tmp_path / "written.json"
        app.screen.query_one(Input).value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: path.exists() and app.screen is screen)
        assert load_circuit(path, found.graph).edges() == second.edges()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        assert f"{second.n_edges}/" in screen_text(app)
        await pilot.press("u")
        await until(pilot, lambda: found.circuit.n_edges == 0)


@pytest.fixture
def slow(found: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Clusters are held, and the next search takes pieces until it is stopped."""
    go = threading.Event()

    def clusters_of(*args: Any, **kwargs: Any) -> Iterator[float]:
        for _ in range(1000):
            go.wait(0.02)
            yield 0.25

    monkeypatch.setattr("workbench.discovery.clusters.run.clusters_of", clusters_of)
    yield found
    go.set()


async def test_it_is_cancelled_and_nothing_waits_for_it(slow: Session) -> None:
    held = slow.clusterer.held
    app = WorkbenchApp(session=slow)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        await pilot.press("t", "right")
        await until(pilot, lambda: "of other settings" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: screen.done == 0.25)
        screen.redraw()
        assert "25%" in screen_text(app)
        await pilot.press("L")  # a command is carried out between two pieces
        await until(pilot, lambda: slow.circuit.n_edges > 0)
        await pilot.press("enter")
        assert "c stops" in told(app)
        await pilot.press("c")
        await until(pilot, lambda: not screen.running)
        assert slow.clusterer.held is held and not screen.failed
        await pilot.press("enter")
        await until(pilot, lambda: screen.running)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        assert screen._cancel.is_set()


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    session = mixed_session(tmp_path, 1)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        await pilot.press("B", "L", "o")
        assert told(app).count("enter finds some") == 1 and app.screen is screen
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.failed))
        assert "too few to be clustered" in said(screen)
        await pilot.press("t", "tab", "delete", "delete", "enter")
        assert "type a whole number" in told(app) and not screen.running
        assert session.clusterer.held is None


def ten(prompt: str) -> ClusterResult:
    """Ten clusters of one pair each, with awkward numbers."""
    circuit = Circuit.empty(pocket().graph)
    square = tuple(tuple(-123.456 * i * j or None for j in range(10)) for i in range(10))
    worth = Worth(None, 1234.5, -0.5)
    numbers = {k: 1e6 / k for k in range(1, 11)}
    clusters = Clusters(
        algorithm="average-linkage",
        normalised=False,
        by="gap",
        criteria=Criteria(numbers, numbers, numbers, numbers, 3, 4, 10),
        clusters=tuple(Cluster((i,), i, circuit) for i in range(10)),
        cross=square,
        others=(None,) * 10,
        overlap=square,
        worth=worth,
        together=worth,
        control=(worth,) * 3,
    )
    result: Any = SimpleNamespace(
        clusters=clusters, prompt=lambda pair: prompt, tasks_in=lambda number: {"ioi": 2, "[/b]": 1}
    )
    nothing: Any = None
    return ClusterResult(ClusterRequest(), result, 1.0, nothing)


@pytest.mark.parametrize(
    ("view", "width"), [*((view, w) for view in VIEWS for w in (77, 95)), (BELOW, LIST - 4)]
)
def test_every_view_fits_its_width_and_shows_no_control_character(view: str, width: int) -> None:
    hostile = "When [b]Tom[/b] and \x1b[31mAnn " * 5
    read: Any = lambda pair: SimpleNamespace(answers=("\x1b[2J", "[/b]"))  # noqa: E731
    lines = list(describe(view, ten(hostile), 10, width, read))
    for line in lines:
        assert line.cell_len <= width, line.plain
        assert "\x1b" not in line.plain
    if view == "prompts":
        assert "[b]Tom[/b]" in " ".join(line.plain for line in lines)
    if view in ("faithfulness", "overlap"):
        numbers = lines[11].plain.replace("−", "-").split()[3:]
        assert len(numbers) == 10 and float(numbers[-1]) == pytest.approx(-9999.9, rel=1e-3)
    if view == "worth":
        assert "3 of 3 random splits" in " ".join(line.plain for line in lines)


def test_scripts_can_stop_it_too(session: Session) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        session.clusterer.run(TWO, cancel=stop)


async def test_clusters_are_copied_with_their_prompts(found: Session) -> None:
    app = WorkbenchApp(session=found)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        copies = screen.copies()
        held = found.clusterer.found()
        titles = [table.title for table in copies.tables]
        assert titles[:2] == ["clusters of prompts", "prompts by cluster"]
        own = {row[0]: row[4] for row in copies.tables[0].rows}
        clusters = held.clusters
        assert own == {i + 1: clusters.cross[i][i] for i in range(len(clusters.clusters))}
        prompts = copies.tables[1].rows
        assert [row[0] for row in prompts] == list(range(1, found.task.n_pairs + 1))
        for pair, number, medoid, prompt, answer in prompts:
            assert isinstance(pair, int) and isinstance(number, int)
            cluster = clusters.clusters[number - 1]
            assert pair - 1 in cluster.pairs and medoid == (pair - 1 == cluster.medoid)
            assert prompt == held.result.prompt(pair - 1)
            assert answer == found.prompts(pair - 1).answers[0]
        assert copies.names == (("name", "cluster 1"),) and copies.row == 0


async def test_a_cluster_is_split_off_as_a_session_of_its_own(
    found: Session, tmp_path: Path
) -> None:
    app = WorkbenchApp(session=found)
    held = found.clusterer.found()
    every = held.batch.task.pairs
    pairs = tuple(every[i] for i in held.clusters.clusters[0].pairs)
    async with app.run_test(size=(160, 48)) as pilot:
        await opened(pilot)
        await pilot.press("Z")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        app.screen.query_one(Input).value = str(tmp_path / "cluster.jsonl")
        await pilot.press("enter")

        def others() -> list[Session]:
            return [session for session in app.sessions if session is not found]

        await until(pilot, lambda: bool(others()), 30)
        (other,) = others()
        assert other.by_pair.pairs == pairs
        assert other.loaded_model is found.loaded_model
