"""Exact effects in a session: right, kept until they go stale, stopped when asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cases.session_cases import expand_all, new_session
from workbench.engine.effect_settings import SETTINGS
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import edge_effects
from workbench.session.priority_lock import PriorityLock
from workbench.session.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        yield made


def exact(session: Session, node: str, setting: str) -> dict[str, float | None]:
    return {c.edge: c.exact for c in session.candidates(node, setting=setting)}


def reference(session: Session, node: str, setting: str) -> dict[str, float]:
    evaluator = Evaluator(session._engine.experiment, session.circuit)
    edges = [c.edge for c in session.candidates(node)]
    return {
        name: float(value)
        for names, values in edge_effects(evaluator, edges, setting)
        for name, value in zip(names, values, strict=True)
    }


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_sweep_computes_the_exact_values(session: Session, setting: str) -> None:
    session.expand("logits")
    session.expand("a2.h0", "qv", setting="eap")
    assert set(exact(session, "a2.h0", setting).values()) == {None}
    assert session.sweep("a2.h0", setting=setting)
    assert exact(session, "a2.h0", setting) == pytest.approx(
        reference(session, "a2.h0", setting), abs=1e-6
    )


def test_values_come_with_the_largest_estimates_first(session: Session) -> None:
    seen: list[str] = []
    progress: list[tuple[int, int]] = []

    def on_chunk(values: dict[str, float], done: int, total: int) -> None:
        seen.extend(values)
        progress.append((done, total))
        assert values.items() <= exact(session, "a2.h1", "full").items()

    eap = {c.edge: abs(c.eap) for c in session.candidates("a2.h1")}
    assert session.sweep("a2.h1", on_chunk=on_chunk)
    assert seen == sorted(eap, key=lambda edge: -eap[edge])
    assert progress[-1] == (len(eap), len(eap)) and len(progress) > 1


def test_candidates_come_by_falling_score_and_preview_follows_it(session: Session) -> None:
    session.sweep("m2")
    candidates = session.candidates("m2")
    scores = [abs(c.score) for c in candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(c.score == c.exact for c in candidates)
    assert any(c.score != c.eap for c in candidates)
    middle = (scores[2] + scores[3]) / 2
    session.set_threshold(middle)
    assert [c.preview for c in session.candidates("m2")] == [True] * 3 + [False] * (len(scores) - 3)
    session.expand("m2")
    assert set(session.circuit.edges()) == {c.edge for c in candidates[:3]}


def test_full_values_last_and_the_others_go_stale(session: Session) -> None:
    session.expand("logits")
    for setting in SETTINGS:
        session.sweep("m2", setting=setting)
    session.drop_costs()
    session.note("m0", "words change nothing")
    assert all(None not in exact(session, "m2", s).values() for s in SETTINGS)
    session.toggle("m1->logits")
    assert None not in exact(session, "m2", "full").values()
    assert set(exact(session, "m2", "along").values()) == {None}
    assert set(exact(session, "m2", "within").values()) == {None}
    assert all(c.drop_cost is None for c in session.candidates("logits"))
    session.undo()
    assert None not in exact(session, "m2", "full").values()


def test_what_is_known_is_not_computed_again(session: Session) -> None:
    session.sweep("a2.h1", "k")
    seen: list[tuple[int, int, int]] = []
    session.sweep("a2.h1", on_chunk=lambda v, done, total: seen.append((len(v), done, total)))
    n = len(session.candidates("a2.h1", "k"))
    assert seen[0][1] == n + seen[0][0] and sum(s[0] for s in seen) == 2 * n
    seen.clear()
    assert session.sweep("a2.h1", on_chunk=lambda *a: seen.append(a))
    assert seen == []


def test_nothing_feeds_the_input(session: Session) -> None:
    assert session.candidates("input") == [] and session.preview("input") == 0
    assert session.sweep("input")


def test_drop_costs_are_what_dropping_does(session: Session) -> None:
    expand_all(session)
    assert session.drop_costs()
    before = session.status().circuit_metric
    nodes = dict.fromkeys(row.name for row in session.tree())
    kept = [c for node in nodes for c in session.candidates(node) if c.kept]
    assert len(kept) == session.status().edges
    assert all((c.drop_cost is None) != c.kept for c in session.candidates("logits"))
    for candidate in kept[::5]:
        after = session.toggle(candidate.edge).circuit_metric
        session.undo()
        assert candidate.drop_cost == pytest.approx(after - before, abs=1e-5)


def test_the_tree_tells_estimates_from_exact_effects(session: Session) -> None:
    session.expand("logits", setting="eap")
    assert {row.estimated for row in session.tree()[1:]} == {True}
    eap = {c.edge: c.eap for c in session.candidates("logits")}
    assert all(row.effect == eap[row.edge or ""] for row in session.tree()[1:])
    assert session.sweep("logits", setting="within")
    for row in session.tree()[1:]:
        assert not row.estimated
        assert row.effect == exact(session, "logits", "within")[row.edge or ""]


def test_a_cancelled_sweep_keeps_what_it_has(session: Session) -> None:
    cancel = threading.Event()
    status = session.status()
    assert not session.sweep("a2.h1", cancel=cancel, on_chunk=lambda *_: cancel.set())
    values = list(exact(session, "a2.h1", "full").values())
    assert 0 < sum(v is not None for v in values) < len(values)
    assert session.status() == status
    assert session.sweep("a2.h1")


def test_a_command_in_between_stops_what_depends_on_the_circuit(session: Session) -> None:
    session.keep_all("logits")

    def edit(*_: object) -> None:
        session.toggle("m1->logits")

    assert not session.sweep("a2.h1", setting="within", on_chunk=edit)
    assert set(exact(session, "a2.h1", "within").values()) == {None}
    assert not session.drop_costs(on_chunk=edit)
    assert session.sweep("a2.h1", setting="full", on_chunk=edit)
    assert exact(session, "a2.h1", "full") == pytest.approx(
        reference(session, "a2.h1", "full"), abs=1e-6
    )


def test_commands_sweeps_and_looks_from_many_threads(session: Session) -> None:
    session.keep_all("logits")
    errors: list[BaseException] = []
    stop = threading.Event()

    def guarded(work: object) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()  # type: ignore[operator]
            except BaseException as error:
                errors.append(error)

        return threading.Thread(target=run)

    def edit() -> None:
        session.toggle("m0->logits")
        session.toggle("m1->logits")
        session.undo()

    def look() -> None:
        session.tree()
        session.frontier()
        candidates = session.candidates("logits")
        assert len(candidates) == session.graph.n_sources
        status = session.status()
        assert status.edges == status.all_edges or status.edges <= session.graph.n_sources

    threads = [
        guarded(edit),
        guarded(edit),
        guarded(look),
        guarded(lambda: session.sweep("a2.h0", setting="within")),
        guarded(session.drop_costs),
    ]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []
    metric = Evaluator(session._engine.experiment, session.circuit).value().metric
    assert session.status().circuit_metric == pytest.approx(metric, abs=1e-5)
    assert len(session.commands()) == len(session._history.done)


def test_a_command_waits_for_one_chunk_at_most() -> None:
    lock = PriorityLock()
    events: list[str] = []
    running, waiting, stop = threading.Event(), threading.Event(), threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            with lock.background():
                events.append("chunk")
                running.set()
                # During this chunk the command begins to wait; it could lose to all later ones.
                waiting.wait(5)
                time.sleep(0.001)

    def command() -> None:
        running.wait(5)
        threading.Timer(0.05, waiting.set).start()
        with lock.foreground():
            events.append("command")
            stop.set()

    threads = [threading.Thread(target=work) for work in (sweep, sweep, command)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert events.index("command") == 1


def test_a_turn_is_given_back_when_the_work_fails() -> None:
    lock = PriorityLock()
    for turn in (lock.foreground, lock.background):
        with pytest.raises(ZeroDivisionError), turn():
            raise ZeroDivisionError
    with lock.foreground():
        pass
