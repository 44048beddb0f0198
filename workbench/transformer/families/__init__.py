"""The families: how a transformers model of each is taken apart.

An adapter is a function from the model, its modules unwrapped, to `ModelParts`. It says where
things are and how they are used; it computes nothing. That the result is the model is proven
twice: in the tests, on tiny models with unusual shapes, and on loading, on the model itself.
Begin with `catalogue`, which lists the families; neither it nor this file loads torch by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.transformer.families.catalogue import FAMILIES
from workbench.transformer.families.fit import known_parts

if TYPE_CHECKING:
    from workbench.transformer.parts import ModelParts


def parts_of(hf_model: Any) -> ModelParts:
    """The parts of a transformers model for causal language modelling.

    A model that a bridge has wrapped in place gives the same parts as one that is plain, and
    wrapping it later changes nothing here.

    Raises:
        WorkbenchError: if the family or this variant of it is not one that the engine reproduces
            exactly.
    """
    from workbench.transformer.families.modules import plain

    hf = plain(hf_model)
    model_type = hf.config.model_type
    family = FAMILIES.get(model_type)
    if family is None:
        raise WorkbenchError(
            f"Models of the family {model_type!r} are unknown to the engine; an adapter in "
            "workbench/transformer/families would be needed."
        )
    adapter = family.load_adapter()
    with known_parts(f"This {type(hf).__name__}", model_type):
        if hf.get_output_embeddings() is None:
            raise WorkbenchError(
                f"A {type(hf).__name__} has no unembedding; load it as a causal language model."
            )
        return adapter(hf)
