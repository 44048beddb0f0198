"""How the flow between tokens is asked about, as fields on a line; one set for each map."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Container, Horizontal

from screens.discovery.fields import Labelled, Refused
from screens.widgets.choice import Choice
from workbench.errors import WorkbenchError
from workbench.flow.settings import AllForOneSettings, KnockoutSettings, Measure, Others

if TYPE_CHECKING:
    from workbench.session.flow import SessionFlow


class FlowFields(Container):
    """Some fields."""

    def __init__(self, flow: SessionFlow) -> None:
        super().__init__()
        self._flow = flow

    def read(self) -> None:
        """Let the session go by what is typed. Raises `Refused` if something cannot be read."""
        raise NotImplementedError


class WaitSettings(FlowFields):
    """The fields of all for one."""

    HELP = """\
What has to be kept, and which share of the model's own counts as all of it. After the wait the
**others** see themselves and the first token only, as in the paper, or all before them as ever.
The **first** token (BOS, if there is one) is seen by all, or hidden like any other. The means that
take the place of the residual are over the session's prompts and so many **prompts** more of a
built-in task: of few prompts, many tokens stand in one alone, and nothing is taken from them.
"""
    MEASURES: ClassVar = [("accuracy", "accuracy"), ("metric", "metric")]
    OTHERS: ClassVar = [("own", "see themselves"), ("all", "see all")]
    FIRST: ClassVar = [("seen", "seen"), ("hidden", "hidden")]

    def compose(self) -> ComposeResult:
        settings = self._flow.waiting
        with Horizontal():
            yield Choice("keep", self.MEASURES, settings.measure, id="measure")
            yield Labelled("share", id="level")
            yield Labelled("prompts", id="prompts")
        with Horizontal():
            yield Choice("others", self.OTHERS, settings.others, id="others")
            yield Choice("first", self.FIRST, "seen" if settings.keep_first else "hidden",
                         id="first")  # fmt: skip

    def on_mount(self) -> None:
        self.query_one("#level", Labelled).value = f"{self._flow.waiting.level:g}"
        self.query_one("#prompts", Labelled).value = str(self._flow.prompts)

    def read(self) -> None:
        prompts = self.query_one("#prompts", Labelled).whole(0)
        level = self.query_one("#level", Labelled).real()
        measure = cast("Measure", self.query_one("#measure", Choice).value)
        others = cast("Others", self.query_one("#others", Choice).value)
        keep_first = self.query_one("#first", Choice).value == "seen"
        try:
            asked = AllForOneSettings(level, measure, others, keep_first)
        except WorkbenchError as error:
            raise Refused(str(error)) from None
        self._flow.waiting, self._flow.prompts = asked, prompts


class KnockoutFields(FlowFields):
    """The fields of the knock-out."""

    HELP = """\
Which token does not see (**query**, -1 is the last), of how many layers on both sides of one the
attention is masked (**reach**), and of which **pair**, from 1; the mean over all where none is
typed.
"""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Labelled("query", id="query")
            yield Labelled("reach", id="reach")
            yield Labelled("pair", id="pair")

    def on_mount(self) -> None:
        settings = self._flow.knocking
        self.query_one("#query", Labelled).value = str(settings.query)
        self.query_one("#reach", Labelled).value = (
            "" if settings.reach is None else str(settings.reach)
        )
        self.query_one("#pair", Labelled).value = (
            "" if settings.pair is None else str(settings.pair + 1)
        )

    def read(self) -> None:
        reach, pair = (self.query_one(name, Labelled) for name in ("#reach", "#pair"))
        query = self.query_one("#query", Labelled)
        self._flow.knocking = KnockoutSettings(
            reach.whole(0) if reach.value.strip() else None,
            query.whole(-(10**6)),
            pair.whole(1) - 1 if pair.value.strip() else None,
        )
