"""`workbench history`: the states of a session as a tree, the circuit of one as a file.

All of it comes out of the journal: no model is loaded, and the session may be open elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.options import Json
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.session.state_graph import Drawn


def history(
    session: Annotated[
        str | None,
        typer.Argument(help="Its journal, or the beginning of its name. [default: the latest]"),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="With -o: which state, by its number or its name."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the circuit of --state."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="The format to write: see docs/files.md. [default: that of the file's suffix]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the states of a session as a tree, or write the circuit of one to a file."""
    from workbench.base.write_file import check_target
    from workbench.session.journals import find_session

    if (state is None) != (out is None):
        raise WorkbenchError("--state STATE and -o FILE go together: which circuit, and where to.")
    path = find_session(session)
    if out is not None:
        from workbench.formats.targets import form_of

        format_ = form_of(out, format_)
        check_target(out)
    from workbench.session.recorded import RecordedSession, plain_rows
    from workbench.session.state_graph import draw

    recorded = RecordedSession.read(path)
    if state is not None and out is not None and format_ is not None:
        _write(recorded.circuit(recorded.find(state)), out, format_, as_json=as_json)
        return
    rows = recorded.rows()
    if as_json:
        output.as_json(plain_rows(rows))
        return
    drawn = draw(rows)
    graph = max(len(line.line) for line in drawn)
    for line in drawn:
        output.line(_told(line, graph))


def _write(circuit: object, out: Path, format_: str, *, as_json: bool) -> None:
    from workbench.circuits.circuit import Circuit
    from workbench.formats import losses, save_circuit

    assert isinstance(circuit, Circuit)
    save_circuit(circuit, out, format=format_)
    lost = losses(circuit, format_)
    for sentence in lost:
        console.warn(sentence)
    if as_json:
        output.result_as_json({"written": str(out), "format": format_, "lost": list(lost)})
    else:
        output.line(str(out))


def _told(line: Drawn, graph: int) -> str:
    row = line.row
    share = "" if row.faithfulness is None else f"{row.faithfulness:.3f}"
    change = "" if row.change is None else f"{row.change:+.3f}"
    took = "" if row.seconds is None else f"{row.seconds:.2f} s"
    words = f"{row.name!r} {row.did}" if row.name else row.did
    return (
        f"{line.line:<{graph}}  {row.n:>5}  {row.edges:>6} edges  {share:>6}  {change:>7}  "
        f"{took:>8}  {row.when}  {words}"
    )
