"""The chooser of themes: what is taken is seen at once and kept; the list stays."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import App
from textual.widgets import Input, OptionList

from screens.widgets.node_jump import Jump


class ThemeChooser(Jump):
    """The themes that there are, with the present one marked."""

    TITLE: ClassVar[str] = "Theme"
    PLACEHOLDER: ClassVar[str] = "part of a name"
    KEYS: ClassVar[str] = "enter take it · ↑ ↓ choose · esc close"
    NOTHING: ClassVar[str] = "No theme has such a name."
    NAME = 24

    def __init__(self, themes: dict[str, bool], present: str) -> None:
        """`themes`: by name, whether each is dark."""
        super().__init__(sorted(themes), {})
        self._dark = themes
        self._present = present

    def list_matches(self, typed: str) -> None:
        super().list_matches(typed)
        if self._present in self.matches and not typed:
            self.query_one(OptionList).highlighted = self.matches.index(self._present)

    def words(self, node: str) -> str:
        kind = "dark" if self._dark[node] else "light"
        return f"{kind}  ● now" if node == self._present else kind

    def _take(self, theme: str) -> None:
        self._present = self.app.theme = theme
        self.list_matches(self.query_one(Input).value)
        self.query_one(OptionList).highlighted = self.matches.index(theme)

    @on(Input.Submitted)
    def _taken(self, event: Input.Submitted) -> None:
        event.prevent_default()
        if (theme := self.chosen) is not None:
            self._take(theme)

    @on(OptionList.OptionSelected)
    def _theme_clicked(self, event: OptionList.OptionSelected) -> None:
        event.prevent_default()
        self._take(self.matches[event.option_index])


def choose_theme(app: App[Any]) -> None:
    """Let the user choose one."""
    themes = {name: theme.dark for name, theme in app.available_themes.items()}
    app.push_screen(ThemeChooser(themes, app.theme))
