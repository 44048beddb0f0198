"""The key below a picture: what its lines, colours and letters mean, and the notes."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.base.text import counted
from workbench.pictures.layout import SMALL, SMALL_LINE, Measure, words_in_lines
from workbench.pictures.looks import split
from workbench.pictures.scene import Scene
from workbench.pictures.settings import DrawingSettings

SAMPLE, BETWEEN = 16.0, 8.0
"""Width of what is shown before the words, and the room between two entries."""
MOST_NOTES = 40


@dataclass(frozen=True)
class Entry:
    """One thing explained.

    Attributes:
        sample: what stands before the words: 'above', 'below', 'unknown', 'hairline', 'open',
            'group' (then `group` is its number), or "" for words alone.
        lines: the words.
        x, y: the left end, and the base line of the first line below the key's upper side.
    """

    sample: str
    lines: tuple[str, ...]
    x: float
    y: float
    group: int = 0


def key_of(
    scene: Scene, settings: DrawingSettings, width: float, measure: Measure
) -> tuple[tuple[Entry, ...], float]:
    """The key's entries, and its height in points; empty and 0 where there is none."""
    told: list[tuple[str, str, int]] = _lines(scene, settings) if settings.key else []
    long = [("group", title, number) for number, title in scene.groups.items()]
    long = long if settings.key else []
    if settings.notes:
        long += [("", f"{name or 'circuit'}: {note}", 0) for name, note in scene.notes[:MOST_NOTES]]
        if len(scene.notes) > MOST_NOTES:
            long.append(("", f"and {len(scene.notes) - MOST_NOTES} more notes", 0))
    entries: list[Entry] = []
    x, y = 0.0, SMALL_LINE
    for sample, words, number in [*told, *long]:
        before = SAMPLE + 3 if sample else 0.0
        needed = before + measure(words, SMALL, False)
        if x and x + needed > width:
            x, y = 0.0, y + SMALL_LINE + 1
        lines = words_in_lines(words, SMALL, max(40.0, width - x - before), measure)
        entries.append(Entry(sample, tuple(lines), x, y, number))
        if len(lines) > 1:
            x, y = 0.0, y + len(lines) * SMALL_LINE + 1
        else:
            x += needed + BETWEEN
    if not entries:
        return (), 0.0
    bottom = max(entry.y + (len(entry.lines) - 1) * SMALL_LINE for entry in entries)
    return tuple(entries), bottom + 3


def _lines(scene: Scene, settings: DrawingSettings) -> list[tuple[str, str, int]]:
    faint, full = split(scene, settings.strongest)
    told: list[tuple[str, str, int]] = []
    if any(line.score is not None and line.score < 0 for line in full):
        told.append(("below", "score below 0", 0))
    if any(line.score is not None and line.score > 0 for line in full):
        told.append(("above", "score above 0", 0))
    if scene.largest > 0:
        told.append(("", f"width: |score| up to {scene.largest:.3g}", 0))
    if any(line.score is None for line in full) and scene.largest > 0:
        told.append(("unknown", "no score", 0))
    if any(line.n_edges > 1 for line in scene.lines):
        told.append(("", "numbers: edges in one line, scores summed", 0))
    if faint:
        told.append(("hairline", f"the {len(faint):,} weakest edges", 0))
    if scene.columns:
        told.append(("", "columns: token roles; lines start where what they carry is read", 0))
    if scene.left_out:
        words = f"{counted(scene.left_out, 'edge')} read nowhere at the role: left out"
        told.append(("", words, 0))
    if any(box.open for box in scene.boxes):
        told.append(("open", "not expanded: reads the clean residual", 0))
    return told
