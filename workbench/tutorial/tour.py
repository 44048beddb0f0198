"""Tour: which step is on, whether it was done, and the way back and forth."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.tutorial.observation import Look, Moment, Observation
from workbench.tutorial.step import Step
from workbench.tutorial.steps import STEPS


class Tour:
    """The tutorial under way. It is told what there is to see and says what it makes of that.

    Attributes:
        steps: all steps.
        at: index of the present one.
        remark: what was said when it was done; None while it is not. Once done it stays done.
    """

    def __init__(
        self, steps: Sequence[Step] = STEPS, at: int = 0, remark: str | None = None
    ) -> None:
        self.steps = steps
        self.at = at
        self.remark = remark
        self._began: Moment | None = None
        self._looks: list[Look] = []
        self._seen: Observation | None = None

    @property
    def step(self) -> Step:
        """The step that it is at."""
        return self.steps[self.at]

    @property
    def last(self) -> bool:
        """This is the last step, which asks for nothing but to end."""
        return self.at == len(self.steps) - 1

    @property
    def ask(self) -> str:
        """What to do next."""
        return self.step.ask(self._seen) if self._seen is not None else ""

    def observe(self, now: Moment) -> None:
        """Look whether the step is done. The first moment of a step counts as before it."""
        if self._began is None or len(now.log) < len(self._began.log):
            self._began = now
        if now.look != (self._looks[-1] if self._looks else self._began.look):
            self._looks.append(now.look)
        self._seen = Observation(self._began, now, tuple(self._looks))
        self.remark = self.step.check(self._seen) or self.remark

    def go(self, by: int) -> bool:
        """To another step, which begins now; False where there is none."""
        if not 0 <= self.at + by < len(self.steps):
            return False
        now = self._seen.now if self._seen is not None else None
        self.at += by
        self.remark = None
        self._began = now
        self._looks = []
        if now is not None:
            self.observe(now)
        return True
