"""Where to write the circuit's picture, and how it is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from screens.widgets.choice import Choice
from screens.widgets.dialogs import Confirm, Dialog
from screens.widgets.path_suggester import PathSuggester
from workbench.base.home import meant_path
from workbench.errors import WorkbenchError
from workbench.pictures.settings import DrawingSettings, GroupsAs

Answer = tuple[Path, DrawingSettings]


class PictureDialog(Dialog[Answer]):
    """Answers the path and the settings."""

    def __init__(self, proposed: str, groups: GroupsAs, by_position: bool = False) -> None:
        super().__init__()
        self.proposed = proposed
        self.groups = groups
        self.by_position = by_position

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text("Draw the circuit into"), classes="title")
            yield Input(self.proposed, suggester=PathSuggester(), select_on_focus=False)
            yield Static(Text("Ends in .svg, .pdf, .png, .dot or .graphml."), classes="hint")
            yield Choice(
                "Groups",
                [
                    ("colour", "nodes in their colour"),
                    ("boxes", "a box for each"),
                    ("none", "not shown"),
                ],
                self.groups,
                id="groups",
            )
            yield Choice(
                "Columns",
                [("none", "none"), ("roles", "token roles")],
                "roles" if self.by_position else "none",
                id="columns",
            )
            yield Choice("Key below", [("yes", "yes"), ("no", "no")], id="key")
            yield Choice("Notes below", [("no", "no"), ("yes", "yes")], id="notes")
            yield Static(classes="error")
            keys = "enter write · tab, space choose · → complete · esc cancel"
            yield Static(Text(keys), classes="keys")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(Input.Changed)
    def _clear(self) -> None:
        self.complain("")

    def settings(self) -> DrawingSettings:
        return DrawingSettings(
            groups=cast(GroupsAs, self.query_one("#groups", Choice).value),
            by_position=self.query_one("#columns", Choice).value == "roles",
            key=self.query_one("#key", Choice).value == "yes",
            notes=self.query_one("#notes", Choice).value == "yes",
        )

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        from workbench.pictures.draw import check_picture

        path = meant_path(event.value.strip())
        try:
            check_picture(path)
            answer = (path, self.settings())
        except WorkbenchError as error:
            self.complain(str(error))
            return
        if not path.exists():
            self.dismiss(answer)
            return

        def replace(yes: bool | None) -> None:
            if yes:
                self.dismiss(answer)

        self.app.push_screen(Confirm(f"{path.name} exists. Replace it?", "Replace"), replace)
