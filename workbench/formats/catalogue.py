"""The formats of circuit files: how a file is recognised, and what reads and writes it.

Pure data; the functions are named, and imported when a file is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, resolve

if TYPE_CHECKING:
    from workbench.base.read_json import Document
    from workbench.circuits.circuit import Circuit


@dataclass(frozen=True)
class Format:
    """One format. Functions are named as "package.module:function".

    Attributes:
        name: as the command line takes it.
        title: what to expect of it, in a few words.
        matches: says of a file's content whether it is of this format.
        read: makes the circuit from a `Document`; raises WorkbenchError with a sentence.
        write: makes the file's text from a circuit; raises WorkbenchError with a sentence.
        losses: gives a sentence on each thing of a circuit that it cannot hold; None if it holds
            everything.
        scores: whether an exported file has the scores of the kept edges or of all.
        suffix: of its files.
        is_json: its files are JSON, and content means the parsed value; otherwise they are text
            and known by their suffix, and content means the text.
    """

    name: str
    title: str
    matches: str
    read: str
    write: str
    losses: str | None = None
    scores: Literal["kept", "all"] = "kept"
    suffix: str = ".json"
    is_json: bool = True

    def recognises(self, content: Any) -> bool:
        """Whether a file of this content is of the format."""
        function: Callable[[Any], bool] = resolve(self.matches)
        return bool(function(content))

    def circuit_of(self, document: Document) -> Circuit:
        """The circuit that a file holds. Raises WorkbenchError."""
        function: Callable[[Document], Circuit] = resolve(self.read)
        return function(document)

    def text_of(self, circuit: Circuit) -> str:
        """The text of a circuit's file. Raises WorkbenchError."""
        function: Callable[[Circuit], str] = resolve(self.write)
        return function(circuit)

    def lost(self, circuit: Circuit) -> tuple[str, ...]:
        """A sentence on each thing of a circuit that the format cannot hold."""
        if self.losses is None:
            return ()
        function: Callable[[Circuit], tuple[str, ...]] = resolve(self.losses)
        return tuple(function(circuit))


BUILT_IN = (
    Format(
        "circuit",
        "ours: with scores, groups, notes, commands",
        matches="workbench.formats.circuit_json:matches",
        read="workbench.formats.circuit_json:read",
        write="workbench.formats.circuit_json:to_text",
    ),
    Format(
        "eap-ig",
        "EAP-IG's graph JSON, as EAP-IG and MIB read it",
        matches="workbench.formats.eap_ig:matches",
        read="workbench.formats.eap_ig:read",
        write="workbench.formats.eap_ig:to_text",
        losses="workbench.formats.eap_ig:losses",
        scores="all",
    ),
)

FORMATS: Catalogue[Format] = Catalogue("formats", "format", Format, BUILT_IN)


def find_format(name: str) -> Format:
    """The format of this name, or in a file, `FILE.py:NAME`.

    Raises:
        WorkbenchError: there is none.
    """
    found = FORMATS.get(name) or FORMATS.from_file(name)
    if found is None:
        *others, last = FORMATS
        known = f"{', '.join(others)} or {last}"
        raise WorkbenchError(f"There is no format {name[:60]!r}: choose {known}.")
    return found


def format_of(document: Document) -> Format | None:
    """The format of a JSON file; those of plug-ins are asked if it is none of ours."""
    for name in FORMATS:
        known = FORMATS.get(name)
        if known is not None and known.is_json and known.recognises(document.value):
            return known
    return None


def text_format(suffix: str) -> Format | None:
    """The format of a file that is not JSON, by its suffix."""
    if suffix in ("", ".json"):
        return None
    texts = (known for known in FORMATS.values() if not known.is_json)
    return next((known for known in texts if known.suffix == suffix), None)
