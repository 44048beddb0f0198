"""Asking for a file: what is wrong is said in the dialog, which keeps what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from screens.base.worker import Worker, error_sentence
from screens.widgets.dialogs import Ask
from screens.widgets.path_suggester import PathSuggester


class AskPath(Ask):
    """A path, or a name that may stand for one; answered when `check` has nothing against it.

    The file is looked at in a thread: it may be large, or lie on a slow disk.
    """

    def __init__(
        self, title: str, value: str = "", *, hint: str = "", check: Callable[[str], object]
    ) -> None:
        """A question.

        Args:
            title: what is asked.
            value: what stands there at first.
            hint: what may be answered.
            check: called with the text, without blanks around it, in a thread; raises
                WorkbenchError if it will not do.
        """
        super().__init__(title, value, hint=hint, suggester=PathSuggester())
        self._check_file = check
        self._looked_at = ""

    def on_mount(self) -> None:
        self._looking = Worker(self, "file", owes=True)

    def on_unmount(self) -> None:
        self._looking.stop()

    def accept(self, text: str) -> None:
        wanted = text.strip()
        if not wanted:
            self.complain("Type the name of a file.")
            return
        if self._looking.waiting and wanted == self._looked_at:
            return
        self._looked_at = wanted
        self.complain("")

        def done(_: Any) -> None:
            if self.is_current and wanted == self.typed:
                self.dismiss(wanted)

        def failed(error: BaseException) -> None:
            if wanted == self.typed:
                self.complain(error_sentence(error))

        self._looking.put(lambda: self._check_file(wanted), done, failed)
