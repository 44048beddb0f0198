"""The readout `difference-by-layer`: how the logit difference grows through the model."""

from workbench.experiment.experiment import Experiment
from workbench.readouts.residual_lens import residual_lens
from workbench.readouts.shapes import Series


def compute(experiment: Experiment, *, position: int, pair: int | None, run: str) -> Series:
    """The logit difference at the embeddings and after every layer."""
    lens = residual_lens(experiment, position=position, pair=pair, k=1, run=run)
    return Series(
        title="Logit difference after every layer",
        labels=tuple(row.name for row in lens.rows),
        values=tuple(row.logit_difference for row in lens.rows),
        definition="Mean logit of the answers less that of the wrong answers.",
    )
