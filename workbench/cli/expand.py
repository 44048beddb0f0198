"""`workbench expand`: a circuit stepped backward by a rule, as a file and a short report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Do, Json, experiment_options
from workbench.experiment.interventions import parse_all
from workbench.experiment.settings import ExperimentSettings
from workbench.session.rules import EAP, EFFECTS, RULES, find_rule

if TYPE_CHECKING:
    from workbench.session.expander import Progressed
    from workbench.session.rule_commands import ExpandAll
    from workbench.session.session import Session
    from workbench.session.steps import StepTaken

_RULE = " ".join(f"{rule.name}: {rule.help}" for rule in RULES.values())
_SETTING = " ".join(f"{value}: {words}." for value, words in EFFECTS.choices)


@experiment_options()
def expand(
    rule: Annotated[str, typer.Option(help=_RULE)] = "threshold",
    value: Annotated[
        float | None,
        typer.Option(
            help="The rule's number. [default: 3 of top-k, 0.1 of loss; of threshold 2 % of what "
            "corrupting the prompts does to the metric]"
        ),
    ] = None,
    setting: Annotated[str, typer.Option(help=f"The effects to go by. {_SETTING}")] = EAP,
    by_role: Annotated[
        bool,
        typer.Option("--by-role", help="Keep edges at single token roles: m0->a1.h0<k>@S1."),
    ] = False,
    *,
    do: Do = None,
    settings: ExperimentSettings,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The circuit file.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Of the circuit file: see docs/files.md. [default: that of its suffix]",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Step backward from the logits by a rule until nothing is open.

    Ctrl-C stops it; what it has kept by then is written.
    """
    # What costs nothing to find out comes before what takes seconds.
    from tempfile import TemporaryDirectory

    from workbench.base.write_file import check_target
    from workbench.formats.targets import form_of

    format_ = form_of(to or "", format_)
    chosen = find_rule(rule)
    if value is not None:
        value = chosen.checked(value)
    EFFECTS.check(setting)
    done = parse_all(do or ())
    settings = settings.checked()
    if to is not None:
        check_target(to)
    with TemporaryDirectory(prefix="workbench-") as folder, console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.session.rule_commands import ExpandAll
        from workbench.session.start import begin_session

        session = begin_session(settings, journal=Path(folder) / "s.jsonl", progress=progress)
        if session.task.seed is None:
            console.say(f"workbench: {session.task.description}")
        for warning in session.task.warnings:
            console.warn(warning)
        with session, first_interrupt() as cancel:

            def tell(now: Progressed) -> None:
                progress("Expanding from the logits backward", now.fraction)

            if done:
                session.interventions.set(done)
            how: dict[str, Any] = {"setting": setting, "by_role": by_role}
            session.expand_all(rule, value, **how, progress=tell, cancel=cancel)
            lost = session.export(to, format_) if to is not None else ()
    for sentence in lost:
        console.warn(sentence)
    last = session.log[-1].command if session.log else None
    command = last if isinstance(last, ExpandAll) else None
    written = [] if to is None else [str(to)]
    if as_json:
        told = {"written": written, "lost": list(lost)}
        output.result_as_json(_json(session, command) | told)
    else:
        _report(session, command, written)
    if command is not None and not command.ended:
        return 0
    console.say("workbench: stopped before the end; what it had kept by then is all there is.")
    return console.EXIT_INTERRUPTED


def _json(session: Session, command: ExpandAll | None) -> dict[str, Any]:
    asked = {} if command is None else command.to_json()
    steps = [] if command is None else [step._asdict() for step in command.steps]
    names = ("rule", "value", "setting", "left", "ended")
    return {
        **{name: asked.get(name) for name in names},
        "steps": steps,
        "status": session.status().to_json(),
        "interventions": [one.text for one in session.interventions.present],
        "circuit": session.circuit.parts(),
        "roles": list(session.circuit.at.names) if session.circuit.at else [],
    }


def _report(session: Session, command: ExpandAll | None, written: list[str]) -> None:
    status = session.status()
    for one in session.interventions.present:
        output.line(f"does          {one.text}")
    for step in () if command is None else command.steps:
        output.line(f"{step.node:<12}{step.edges:>6,} edges   faithfulness {_share(step)}")
    if command is not None:
        output.line(f"rule          {command.describe()}")
        effects = dict(EFFECTS.choices)[command.setting]
        output.line(f"effects       {effects}")
    share = "undefined" if status.faithfulness is None else f"{status.faithfulness:.4f}"
    output.line(f"metric        {session.task.metric}: {session.task.metric_definition}")
    output.line(
        f"circuit       {status.circuit_metric:.6g}   model {status.model_metric:.6g}, "
        f"corrupted {status.corrupted_metric:.6g}"
    )
    output.line(f"faithfulness  {share}")
    at = f", {status.at_roles:,} at some roles only" if status.at_roles else ""
    output.line(f"edges         {status.edges:,} of {status.all_edges:,}{at}")
    output.line(f"nodes         {status.nodes:,} of {status.all_nodes:,}")
    state = "closed" if status.closed else "open: some inputs read the clean residual"
    output.line(f"circuit is    {state}")
    output.line(f"time          {status.seconds:.3g} s")
    for path in written:
        output.line(f"written       {path}")


def _share(step: StepTaken) -> str:
    return "undefined" if step.faithfulness is None else f"{step.faithfulness:.4f}"
