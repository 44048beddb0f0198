"""A session's state as a script in Python: model, task and circuit, rebuilt from nothing.

Importing this module loads no torch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from tasks.pair import Pair
from tasks.task import Task
from workbench.circuits.circuit import Circuit
from workbench.experiment.interventions import Intervention
from workbench.experiment.settings import ExperimentSettings
from workbench.prompts.task_catalogue import TASKS

WIDTH = 92


def snippet(
    settings: ExperimentSettings,
    task: Task,
    metric: str,
    circuit: Circuit,
    interventions: Sequence[Intervention] = (),
) -> str:
    """The script; it prints the circuit and its faithfulness.

    A built-in task is made again and a file read again; of any other the pairs stand in the script.

    Args:
        settings: of the session.
        task: as it was loaded, with the pairs.
        metric: its name, as it is used.
        interventions: what is done to the model.
    """
    from_file = Path(task.source).is_file()
    again = task.source if from_file else task.name
    by_name = from_file or (task.name in TASKS and task.seed is not None)
    names = ["Circuit", "ExperimentSettings", "evaluate"]
    names += ["RoleGroup"] if circuit.groups else []
    names += [] if by_name else ["Pair", "Task"]
    named = not by_name and any(pair.roles for pair in task.pairs)
    names += ["Intervention"] if any(one.data for one in interventions) else []
    told = {"model": settings.model, "task": again, "pairs": len(task.pairs), "metric": metric}
    told |= {"seed": task.seed if by_name and task.seed is not None else settings.seed}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in told and value != field.default:
            told[field.name] = value
    lines = [
        f"from workbench import {', '.join(sorted(names, key=str.lower))}",
        *(["from workbench.circuits.edge_roles import EdgeRoles"] if circuit.at else []),
        *(["from tasks.pair import RoleSpan"] if named else []),
        "",
        "settings = ExperimentSettings(",
        *(f"    {name}={value!r}," for name, value in told.items()),
        ")",
        "model = settings.load_model()",
    ]
    if not by_name:
        lines += _task(task)
    lines += ["circuit = Circuit.from_edges(model.graph, " + _words(circuit.edges()) + ")"]
    if circuit.at:
        kept = ", ".join(f"{edge!r}: {roles!r}" for edge, roles in circuit.at.kept.items())
        lines += [f"circuit.at = EdgeRoles({circuit.at.names!r}, {{{kept}}})"]
    lines += _open(circuit)
    if circuit.neurons:
        kept = ", ".join(f"{mlp!r}: {numbers!r}" for mlp, numbers in circuit.neurons.items())
        lines += [f"circuit.neurons = {{{kept}}}"]
    if circuit.groups:
        lines += ["circuit.groups = ("]
        lines += [f"    RoleGroup({g.name!r}, {g.role!r}, {g.nodes!r})," for g in circuit.groups]
        lines += [")"]
    if circuit.notes:
        lines += ["circuit.notes = {"]
        lines += [f"    {name!r}: {note!r}," for name, note in circuit.notes.items()]
        lines += ["}"]
    run, more = "settings.task" if by_name else "task", ""
    if interventions:
        more = ", interventions=interventions"
        lines += ["interventions = [", *map(_intervention, interventions), "]"]
    lines += [
        "",
        "print(circuit)",
        f"print(evaluate(model, {run}, circuit, under=settings{more}).faithfulness)",
    ]
    return "\n".join(lines) + "\n"


def _intervention(one: Intervention) -> str:
    whole = f"Intervention.from_json({one.to_json()!r})" if one.data else repr(one.text)
    return f"    {whole},"


def _words(names: Iterable[str]) -> str:
    """Names as an expression that gives a list; none of them holds a blank."""
    rows = textwrap.wrap(" ".join(names), WIDTH, break_long_words=False, break_on_hyphens=False)
    if len(rows) <= 1:
        return f'"{"".join(rows)}".split()'
    return '"""\n' + "".join(f"    {row}\n" for row in rows) + '""".split()'


def _open(circuit: Circuit) -> list[str]:
    """The open destinations, or those that are not where that is shorter."""
    every = circuit.graph.destinations
    closed = [name for name in every if name not in circuit.open]
    if not circuit.open:
        return []
    if len(closed) < len(every) / 2:
        less = f" - frozenset({_words(closed)})" if closed else ""
        return [f"circuit.open = frozenset(model.graph.destinations){less}"]
    return [f"circuit.open = frozenset({_words([n for n in every if n in circuit.open])})"]


def _task(task: Task) -> list[str]:
    def pair(one: Pair) -> str:
        values: tuple[object, ...] = (one.clean, one.corrupted, one.answers, one.wrong_answers)
        values += (one.roles,) if one.roles else ()
        return f"        Pair({', '.join(map(repr, values))}),"

    lines = ["task = Task(", f"    {task.name!r},", "    ("]
    lines += [
        *map(pair, task.pairs),
        "    ),",
        f"    {task.metric!r},",
        f"    {task.description!r},",
    ]
    if task.answer_space:
        lines.append(f"    answer_space={task.answer_space!r},")
    return [*lines, ")"]
