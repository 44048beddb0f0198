"""Drawing a circuit into a file: SVG, PDF, PNG, DOT or GraphML."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from workbench.base.write_file import check_target, write_bytes
from workbench.circuits.circuit import Circuit
from workbench.pictures.scene import scene_of
from workbench.pictures.settings import DrawingSettings, format_of


def draw_circuit(
    circuit: Circuit | str | os.PathLike[str],
    path: str | os.PathLike[str],
    format: str | None = None,
    settings: DrawingSettings | None = None,
    **choices: Any,
) -> None:
    """Draw a circuit's graph into a file, written whole or not at all.

    Args:
        circuit: from `load_circuit`, or the file to load it from.
        path: of the picture.
        format: svg, pdf, png, dot or graphml; None: what the path's ending says.
        settings: how it is drawn; None: by the defaults.
        choices: settings by their names, such as `groups="boxes"`; see `DrawingSettings`.

    Raises:
        WorkbenchError: the path says no format, the circuit cannot be read or the file not be
            written.
    """
    settings = replace(settings or DrawingSettings(), **choices)
    form = check_picture(path, format)
    if isinstance(circuit, str | os.PathLike):
        from workbench.formats.chosen import load_chosen

        circuit = load_chosen(circuit)
    write_bytes(path, picture_of(circuit, form, settings))


def check_picture(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The format of a picture there; refuses a path under which none can come to be.

    Raises:
        WorkbenchError: it says no format, is a folder, or its own folder does not exist.
    """
    form = format_of(path, format)
    check_target(path)
    return form


def picture_of(circuit: Circuit, format: str, settings: DrawingSettings) -> bytes:
    """The content of a picture's file in one of `settings.FORMATS`."""
    scene = scene_of(circuit, settings.groups, settings.by_position)
    if format == "dot":
        from workbench.pictures.dot import to_dot

        return to_dot(scene, settings).encode("utf-8")
    if format == "graphml":
        from workbench.pictures.graphml import to_graphml

        return to_graphml(circuit, scene, settings.groups).encode("utf-8")
    from workbench.pictures.render import drawing_of

    return drawing_of(scene, settings).file(format, settings.dpi)
