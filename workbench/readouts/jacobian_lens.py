"""The Jacobian lens of one component: what its write comes to say by the last layer.

As the logit lens of what J makes of the write: J is linear, and the final norm keeps the scale that
it has in the run, so that the lenses of all that was written up to a layer sum to that of the
residual there. What the node's own layer makes of a head's write is not in it, since J begins after
the block; after the last layer it is the logit lens itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.results import Lens

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.jacobian.lens import JacobianLens


def jacobian_lens(experiment: Experiment, node: str, *, through: JacobianLens, **how: Any) -> Lens:
    """What a node's output raises and lowers most, once J has carried it to the last layer.

    Args:
        experiment, node: as for `logit_lens.logit_lens`.
        through: the lens.
        how: `position`, `pair`, `k`, `run` and `target`, likewise.

    Raises:
        WorkbenchError: the lens is of another model, or as `logit_lens`.
    """
    return logit_lens(experiment, node, through=through, **how)
