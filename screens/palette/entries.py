"""Everything that the palette finds: actions, nodes, edges, notes, prompts, results, help."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen

from screens.base.actions import Action
from screens.base.tokens import one_line
from screens.help.glossary import MARKS, numbers
from screens.palette.entry import Entry
from screens.readouts.keys import MOVES
from workbench.circuits.names import is_edge
from workbench.errors import WorkbenchError
from workbench.readouts.catalogue import READOUTS

if TYPE_CHECKING:
    from screens.bench.screen import BenchScreen

OTHER_SCREENS = {
    "graph": ("the graph", "screens.graph.keys"),
    "assess": ("the assessment", "screens.assessment.keys"),
    "effects": ("effects of nodes", "screens.effects.keys"),
    "beside": ("circuits side by side", "screens.side_by_side.keys"),
    "history": ("the history", "screens.history.keys"),
    "heads": ("the heads", "screens.heads.keys"),
    "neurons": ("neurons", "screens.neurons.keys"),
    "flow": ("between tokens", "screens.flow.keys"),
    "clusters": ("clusters", "screens.clusters.keys"),
    "interventions": ("interventions", "screens.interventions.keys"),
}
"""Screens that the bench opens: by its action, the name, and the module of its actions."""
NOT_FROM_AFAR = ("leave", "help", "app.quit")
"""Actions of a screen that make sense on it alone."""


def bench_of(app: App[Any]) -> BenchScreen | None:
    """The bench, where it is on the screen or beneath."""
    from screens.bench.screen import BenchScreen

    benches = [screen for screen in app.screen_stack if isinstance(screen, BenchScreen)]
    return benches[-1] if benches else None


def entries(app: App[Any], screen: Screen[Any]) -> Iterator[Entry]:
    """What can be found at once, without waiting.

    Args:
        screen: the one on which the palette was called.
    """
    yield from _own_actions(screen)
    for command in app.get_system_commands(screen):
        yield Entry("app", command.title, command.help, command.callback)
    bench = bench_of(app)
    if bench is not None:
        yield from _other_actions(app, screen, bench)
        yield from _readouts(app, bench)
        yield from _nodes(app, bench)
        yield from _edges(app, bench)
        yield from _notes(app, bench)
        yield from _results(app, bench)
        yield from _states(app, bench)
    yield from _terms(app, bench)


def _own_actions(screen: Screen[Any]) -> Iterator[Entry]:
    for action in getattr(screen, "ACTIONS", ()):
        yield Entry("key", action.in_palette, action.help, partial(screen.run_action, action.call))


def _other_actions(app: App[Any], here: Screen[Any], bench: BenchScreen) -> Iterator[Entry]:
    if here is not bench:
        for action in bench.ACTIONS:
            run = partial(_on_bench, app, partial(bench.run_action, action.call))
            yield Entry("bench", action.in_palette, action.help, run)
    for opener, (name, module) in OTHER_SCREENS.items():
        actions: tuple[Action, ...] = importlib.import_module(module).ACTIONS
        if actions == getattr(here, "ACTIONS", ()):
            continue
        for action in actions:
            if action.name not in NOT_FROM_AFAR:
                run = partial(_elsewhere, app, bench, opener, action)
                yield Entry("key", f"{action.in_palette}, in {name}", action.help, run)


def _readouts(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    """Every readout by its name, and the keys of their panel."""
    for readout in READOUTS.values():
        show = partial(bench.run_action, f"reading({readout.name!r})")
        yield Entry("readout", readout.names[0], readout.help, partial(_on_bench, app, show))
    for action in MOVES:
        if not action.name.startswith("scroll"):
            run = partial(_on_bench, app, partial(_in_readouts, bench, action))
            yield Entry("key", f"{action.in_palette}, in the readouts", action.help, run)


async def _in_readouts(bench: BenchScreen, action: Action) -> None:
    await bench.run_action("panel('readouts')")
    await bench.panels.readouts.run_action(action.call)


async def _on_bench(app: App[Any], then: Any) -> None:
    """Close what lies above the bench, then go on."""
    bench = bench_of(app)
    while bench is not None and app.screen is not bench:
        await app.screen.dismiss(None)
    await then()


async def _elsewhere(app: App[Any], bench: BenchScreen, opener: str, action: Action) -> None:
    """Open a screen from the bench, and do something there."""
    await _on_bench(app, partial(bench.run_action, opener + "()"))
    app.call_after_refresh(lambda: app.screen.run_action(action.call))


def _to(app: App[Any], call: Any, *arguments: Any) -> Any:
    """Something of the bench that is no coroutine, done on it."""

    async def then() -> None:
        call(*arguments)

    return partial(_on_bench, app, then)


def _nodes(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    laid_out = bench.panels.tree_rows.laid_out
    rows = {node: laid_out.rows[at] for node, at in laid_out.home.items()}
    for node in bench.session.graph.nodes:
        row = rows.get(node)
        state = "in the circuit" if row is not None else "not in the circuit"
        role = f", {one_line(row.role)}" if row is not None and row.role else ""
        yield Entry("node", node, f"{state}{role}", _to(app, bench.go_to_node, node))


def _edges(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    for edge in bench.session.circuit.edges():
        yield Entry("edge", edge, "kept", _to(app, bench.go_to_edge, edge))


def typed_edge(app: App[Any], typed: str) -> Entry | None:
    """The edge whose name was typed, if the model has it: only kept ones are listed."""
    bench = bench_of(app)
    name = typed.strip()
    if bench is None or not is_edge(name):
        return None
    try:
        bench.session.graph.parse_edge(name)
    except WorkbenchError:
        return None
    return Entry("edge", name, "not kept", _to(app, bench.go_to_edge, name))


def _notes(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    for target, note in bench.session.circuit.notes.items():
        go = bench.go_to_edge if is_edge(target) else bench.go_to_node
        yield Entry(
            "note", f"{target or 'the circuit'}: {one_line(note)}", "", _to(app, go, target)
        )


def _results(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    discoveries = bench.session.discoveries
    for held in discoveries.results:
        show = partial(bench.discovering.in_turn, partial(discoveries.show, held.number))
        about = f"The result of a discovery, {held.circuit.n_edges:,} edges: show its scores."
        yield Entry("result", one_line(held.name), about, _to(app, show))


def _states(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    for n in bench.session.named_states():
        go = partial(bench.command, partial(bench.session.go_to, n))
        about = "Go to this state; the present one stays on its branch."
        yield Entry("state", one_line(bench.session.state_name(n)), about, _to(app, go))


def prompt_entries(app: App[Any], bench: BenchScreen) -> Iterator[Entry]:
    """The clean prompts; to decode them takes a while, so that they come after the rest."""
    for index in range(bench.session.task.n_pairs):
        text = one_line("".join(bench.session.prompts(index).clean))
        yield Entry("prompt", f"{index + 1}: {text}", "", _to(app, bench.read_prompt, index))


def _terms(app: App[Any], bench: BenchScreen | None) -> Iterator[Entry]:
    from screens.help.screen import HelpScreen

    task = None if bench is None else bench.session.task
    terms = numbers("", "") if task is None else numbers(task.metric, task.metric_definition)
    marks = [(mark, words) for held in MARKS.values() for mark, words in held.items()]
    for term, words in (*terms, *marks):
        run = partial(app.push_screen, HelpScreen(seek=term.strip()))
        yield Entry("help", term.strip(), words, run)
