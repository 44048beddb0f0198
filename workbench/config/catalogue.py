"""Every setting of the user's configuration file, once.

Importing this loads neither torch nor Textual; what a check needs comes in with the check.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workbench.base.number_formats import NUMBER_FORMATS
from workbench.config.setting import Setting, matching, one_of, switch, text, texts, whole
from workbench.engine.effect_settings import DECIDING as EFFECTS
from workbench.session.threshold_rule import DEFAULT_RULE, FORMS, ThresholdRule

DEFAULT_THEME = "textual-dark"

KEYS = "keys"
"""The table of keys by ids of actions, the one whose names are not settings."""

DEFAULTS = "defaults"
"""The table of what commands and the setup screen take where nothing else is said."""


def _metrics() -> Collection[str]:
    from workbench.metrics.catalogue import METRICS

    return METRICS


def _ablations() -> Collection[str]:
    from workbench.experiment.ablations import ABLATIONS

    return ABLATIONS


def _rule(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(ThresholdRule.parse(value))


def _widths(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in value):
        raise TypeError
    total = float(sum(value))
    if not all(0 < part <= total < float("inf") for part in value):
        raise ValueError
    return tuple(round(part / total, 3) for part in value)


_ALL = (
    text("theme", "Colours of the app, a built-in theme or one of the folder `themes` beside "
         "this file; a theme chosen in the app is written here.", default=DEFAULT_THEME),
    text("keymap", "A file with keys by ids of actions, as in the table `keys`, which goes before "
         "it; a relative path begins in this file's folder.", example="keys.toml"),
    Setting("threshold", str(DEFAULT_RULE), FORMS,
            "The first threshold of a session: a share of what corrupting the prompts does to the "
            "metric, a value in its units, or the size of the K-th largest estimate.",
            _rule),
    one_of("effects", "Which exact effects the bench shows at first: in the full model, along the "
           "circuit or within it; eap: none, estimates alone (`m` changes it).",
           lambda: EFFECTS, default="full"),
    texts("plugins", "Plug-ins in files of your own; a relative path begins in this file's folder.",
          r".+\.py:[A-Za-z_]\w*", 'a list of texts "FILE.py:NAME"', example=("./lab.py:METHOD",)),
    switch("layout.more", "Show more at once: two readouts on a wide terminal, the circuit above "
           "the edges on a narrow one (`V` changes it)."),
    switch("layout.full", "Let one panel fill the bench (`F` changes it)."),
    Setting("layout.widths", (0.25, 0.417, 0.333), "a list of three numbers above 0",
            "Shares of the width of the bench's panels: circuit, edges, readouts.",
            _widths, is_text=False),
    text("defaults.model", "The model of `workbench open` and of the setup screen.",
         example="pocket"),
    text("defaults.task", "The task that goes with it.", example="ioi"),
    whole("defaults.pairs", "How many pairs of prompts.", least=1, default=None, example=32),
    one_of("defaults.metric", "The metric, in place of the task's own.", _metrics,
           listed="the metrics in docs/engine.md", example="logit_diff"),
    matching("defaults.device", "Where the model runs.", r"cpu|mps|cuda(:\d+)?",
             "the name of a device: cpu, cuda, cuda:N or mps", example="cpu"),
    one_of("defaults.dtype", "Of the model's weights.",
           lambda: NUMBER_FORMATS, example="float32"),
    one_of("defaults.ablation", "What an edge left out carries.", _ablations,
           listed='"patching", "zero", "mean", "positional-mean", "context-mean"',
           example="patching"),
)  # fmt: skip

SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _ALL}
"""Name -> setting, in the order in which a new file has them."""

TABLES = {
    "layout": "The bench's panels.",
    DEFAULTS: "What a command or the setup screen takes where nothing else is said.",
    KEYS: "Keys by ids of actions, a key or a list of keys each; docs/keys.md has the ids.",
}
"""Table -> what is in it."""
