"""The readouts: their names, what they depend on, and where they are computed. No torch.

Each names its function, which is called with what it depends on:

    compute(experiment, [node,] [position=...,] pair=..., run=..., **more)

`run` is a name, or for those that read a circuit an `InCircuit`; those that have several ways read
the weights and get none. `more` may be `target`, what is asked about in place of the answers, for
those that ask, and `way`, for those that have several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, resolve
from workbench.readouts.heads.ways import OV_WAYS, QK_WAYS
from workbench.readouts.runs import RUN_WORDS, RUNS

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.activations import RunChoice
    from workbench.readouts.results import Position


@dataclass(frozen=True)
class Readout:
    """One way to look at a component.

    Attributes:
        name: as commands and scripts take it.
        names: for a heading, from long to short.
        compute: its function, as "package.module:name"; a plug-in's returns one of the shapes of
            `readouts.shapes`.
        help: one sentence.
        by_node: it is of the chosen node.
        by_position: it is of the chosen position.
        in_turns: it takes `turn`, a context for each of its pieces, so that others go between.
        runs: those of `runs.RUNS` that it reads.
        asks: it takes `target`.
        of_heads: no other node can be read.
        ways: what `way` may be, the usual first; nothing: it takes none. What has ways reads the
            model's weights for a token of one prompt, and over all prompts for each answer.
        through: it takes `through`, a Jacobian lens that it reads through.
        needs_lens: it reads through one always: without `through`, the one beside the model.
        by: what it can be coloured by, of which it takes one as `by`.
        directed: it is of a direction, and takes it as `direction`.
    """

    name: str
    names: tuple[str, str, str]
    compute: str
    help: str
    by_node: bool = True
    by_position: bool = True
    in_turns: bool = False
    runs: tuple[str, ...] = ("clean", "corrupted")
    asks: bool = False
    of_heads: bool = False
    ways: tuple[str, ...] = ()
    through: bool = False
    needs_lens: bool = False
    by: tuple[str, ...] = ()
    directed: bool = False


_HERE = "workbench.readouts"
_ALL = tuple(RUNS)
_SINGLE = tuple(name for name, runs in RUNS.items() if len(runs) == 1)

BUILT_IN = (
    Readout(
        "lens",
        ("Logit lens", "Lens", "Lens"),
        f"{_HERE}.logit_lens:logit_lens",
        "The tokens whose logit a node's output raises and lowers most.",
        runs=_ALL,
        asks=True,
        through=True,
    ),
    Readout(
        "attribution",
        ("Direct logit attribution", "Direct", "Direct"),
        f"{_HERE}.direct_logit_attribution:direct_logit_attribution",
        "What every node writes directly to the logit difference, or to any token's logit.",
        by_node=False,
        runs=_ALL,
        asks=True,
    ),
    Readout(
        "curve",
        ("Answer curve", "Curve", "Curve"),
        f"{_HERE}.answer_curve:answer_curve",
        "The lens of a node over all the task's answers, and the run's own probabilities there.",
        runs=_ALL,
        asks=True,
        through=True,
    ),
    Readout(
        "attention",
        ("Attention", "Attention", "Attn"),
        f"{_HERE}.attention:attention_pattern",
        "Which tokens a head looks at from each token.",
        by_position=False,
        runs=_ALL,
        of_heads=True,
    ),
    Readout(
        "residual",
        ("Residual lens", "Residual", "Resid"),
        f"{_HERE}.residual_lens:residual_lens",
        "What the model would say if it stopped after each layer.",
        by_node=False,
        in_turns=True,
        runs=_ALL,
        asks=True,
        through=True,
    ),
    Readout(
        "jacobian",
        ("Jacobian lens", "Jacobian", "Jac"),
        f"{_HERE}.jacobian_lens:jacobian_lens",
        "The tokens that a node's output comes to raise and lower by the last layer, on average.",
        runs=_ALL,
        asks=True,
        through=True,
        needs_lens=True,
    ),
    Readout(
        "map",
        ("Lens map", "Map", "Map"),
        f"{_HERE}.lens_map:lens_map",
        "What the model would say after each layer at each position, in one map.",
        by_node=False,
        by_position=False,
        in_turns=True,
        runs=_ALL,
        asks=True,
        through=True,
        by=("probability", "rank"),
    ),
    Readout(
        "ranks",
        ("Token ranks", "Ranks", "Ranks"),
        f"{_HERE}.token_ranks:token_ranks",
        "How far up the answers, or any token, stand after each layer.",
        by_node=False,
        in_turns=True,
        runs=_SINGLE,
        asks=True,
        through=True,
    ),
    Readout(
        "beside",
        ("Beside the circuit", "Beside", "Both"),
        f"{_HERE}.beside_circuit:beside_circuit",
        "The lens of a node in the circuit beside its lens in the model.",
        runs=("circuit",),
        asks=True,
        through=True,
    ),
    Readout(
        "by-answer",
        ("Curves by answer", "By answer", "Sets"),
        f"{_HERE}.curve_by_answer:curve_by_answer",
        "The lens of a node over all answers, prompts with the same answers (or start year) apart.",
        runs=_ALL,
        through=True,
    ),
    Readout(
        "direction",
        ("Lens of a direction", "Direction", "Dir"),
        f"{_HERE}.direction:direction_lens",
        "The tokens that a direction raises and lowers: a token's, or a row of a file.",
        by_node=False,
        runs=_ALL,
        through=True,
        directed=True,
    ),
    Readout(
        "along",
        ("Along a direction", "Along", "Along"),
        f"{_HERE}.direction:along_direction",
        "How far every node writes along a direction.",
        by_node=False,
        runs=_ALL,
        directed=True,
    ),
    Readout(
        "ov",
        ("OV", "OV", "OV"),
        f"{_HERE}.heads.ov:ov_reading",
        "The tokens that a head would raise and lower if it looked at a token, by its weights.",
        runs=("clean",),
        asks=True,
        of_heads=True,
        ways=OV_WAYS,
    ),
    Readout(
        "qk",
        ("QK", "QK", "QK"),
        f"{_HERE}.heads.qk:qk_reading",
        "The tokens that a head looks at from a token, by its weights.",
        in_turns=True,
        runs=("clean",),
        asks=True,
        of_heads=True,
        ways=QK_WAYS,
    ),
    Readout(
        "why",
        ("Why it attends", "Why", "Why"),
        f"{_HERE}.attention_sources:why_rows",
        "What in query and key makes a head attend there: its score by pairs of sources.",
        runs=("clean", "corrupted", "clean-corrupted"),
        of_heads=True,
    ),
)

READOUTS: Catalogue[Readout] = Catalogue("readouts", "readout", Readout, BUILT_IN)


def find_readout(name: str) -> Readout:
    """The readout of this name, or in a file, `FILE.py:NAME`.

    Raises:
        WorkbenchError: there is none.
    """
    return READOUTS.find(name)


def read_out(
    experiment: Experiment,
    name: str,
    node: str | None = None,
    *,
    position: Position = -1,
    pair: int | None = None,
    run: RunChoice = "clean",
    **more: Any,
) -> Any:
    """What a readout of the catalogue says of an experiment.

    Args:
        experiment: from `prepare`, or a session's.
        name: of the readout.
        node: which node; not needed by a readout that is of none.
        position: from the end of each prompt if negative, else from its start; or a role.
        pair: a pair's number, or None for the mean over all pairs.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`, if the readout reads it.
        more: what this readout takes besides, such as `k` of a lens; `target`, what is asked about
            in place of the task's answers, see `find_target`; `way`, one of the readout's ways;
            `through`, a Jacobian lens, its file, or "own" for the one beside the model's weights;
            `direction`, see `find_direction`.

    Returns:
        One of the values of `readouts.results` for a built-in readout, of `readouts.shapes` for
        one of a plug-in.

    Raises:
        WorkbenchError: there is no such readout, node, pair, position, run or way, or the readout
            knows nothing of the target.
    """
    entry = find_readout(name)
    if entry.by_node:
        if node is None:
            raise WorkbenchError(f"The readout {entry.name} is of a node: name one, such as m0.")
        where: tuple[str, ...] = (node,)
    else:
        where = ()
    name = run if isinstance(run, str) else run.name
    if name in RUNS and name not in entry.runs:
        raise WorkbenchError(
            f"The readout {entry.name} reads {' or '.join(entry.runs)}, not {RUN_WORDS[name]}."
        )
    if more.get("target") is None:
        more.pop("target", None)
    elif not entry.asks:
        raise WorkbenchError(f"The readout {entry.name} is of no token: leave out the target.")
    if more.get("way") is None:
        more.pop("way", None)
    elif more["way"] not in entry.ways:
        known = f"choose one of: {', '.join(entry.ways)}" if entry.ways else "it has one only"
        raise WorkbenchError(f"The readout {entry.name} has no way {more['way']!r}; {known}.")
    if more.get("through") is None and not entry.needs_lens:
        more.pop("through", None)
    elif not entry.through:
        raise WorkbenchError(f"The readout {entry.name} reads through no Jacobian lens.")
    else:
        from workbench.readouts.jacobian.own import lens_of

        more["through"] = lens_of(experiment.model, more.get("through"))
    if more.get("by") is None:
        more.pop("by", None)
    elif more["by"] not in entry.by:
        kinds = " or ".join(entry.by) or "nothing"
        raise WorkbenchError(f"The readout {entry.name} is coloured by {kinds}: leave that out.")
    if more.get("direction") is None:
        more.pop("direction", None)
    elif not entry.directed:
        raise WorkbenchError(f"The readout {entry.name} is of no direction: leave that out.")
    if entry.by_position:
        more = {"position": position, **more}
    if not entry.ways:  # what has ways reads no run
        more = {"run": run, **more}
    return resolve(entry.compute)(experiment, *where, pair=pair, **more)
