"""The Jacobian lens: what a residual, or one component's write, becomes by the last layer.

For the residual h_l after block l and the last one, h_final (before the final norm),

    J_l = mean over prompts and positions p of  sum over q >= p of  d h_final[q] / d h_l[p],

and a vector at depth l is read as J_l x through the final norm and the unembedding. Where the logit
lens reads what a vector says as it stands, this reads what later layers make of it on average. It
is linear before the norm, so that the writes of components may be read one by one. After Gurnee,
Sofroniew, Lindsey et al. (2026), "Verbalizable Representations Form a Global Workspace in Language
Models".

Glossary: docs/glossary.md#jacobian-lens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.text import printable
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.models.model import Model


@dataclass(frozen=True, eq=False)
class JacobianLens:
    """The matrices of one model.

    Attributes:
        matrices: by depth, [d_model, d_model], as they are stored. A depth is how many blocks a
            residual has passed: 0 before the first, l + 1 after block l. After the last block it is
            the identity and does not stand here.
        d_model: width of the residual stream.
        n_prompts: how many prompts the means are over.
        n_layers: of the model it was fitted to; None where that is not known.
        model: the model's name; "" where that is not known.
        source: where it was read from, for people.
    """

    matrices: dict[int, Tensor] = field(repr=False)
    d_model: int
    n_prompts: int
    n_layers: int | None = None
    model: str = ""
    source: str = ""

    @property
    def layers(self) -> tuple[int, ...]:
        """The blocks after which it reads, as files number them; -1 stands for the embeddings."""
        return tuple(depth - 1 for depth in sorted(self.matrices))

    @property
    def words(self) -> str:
        """What it is, for a heading or a list."""
        of = f" of {printable(self.model)}" if self.model else ""
        over = f" {self.n_prompts:,}" if self.n_prompts else ""
        return f"Jacobian lens{of}, mean over{over} prompts"

    @property
    def note(self) -> str:
        """What its matrices are, for the definition of what is read through them."""
        over = f"{self.n_prompts:,} prompts" if self.n_prompts else "prompts"
        return f"the mean slope of the last residual (Jacobian lens, {over})"

    def depth_at(self, depth: int, n_layers: int) -> int:
        """The first depth from this one on that it reads at; n_layers is the identity's."""
        return min((d for d in self.matrices if d >= depth), default=n_layers)

    def carry(self, x: Tensor, depth: int) -> Tensor:
        """What x [..., d_model] at a depth becomes by the last layer; as it is past the last."""
        matrix = self.matrices.get(depth)
        if matrix is None:
            return x
        x = wide(x)
        return x @ matrix.to(x.device, x.dtype).T

    def check(self, model: Model, *, by_name: bool = True) -> JacobianLens:
        """Itself, if it is one of this model.

        Args:
            by_name: the names are compared, too, where the lens knows one.

        Raises:
            WorkbenchError: it is of another one, by its shape or by its name.
        """
        d_model, n_layers = model.parts.d_model, len(model.parts.layers)
        deepest = max(self.matrices)
        other = None
        if d_model != self.d_model:
            other = f"one of width {self.d_model:,}, and {model.name} has {d_model:,}"
        elif self.n_layers not in (None, n_layers):
            other = f"one of {self.n_layers} layers, and {model.name} has {n_layers}"
        elif deepest >= n_layers + 1:
            other = f"one of at least {deepest} layers, and {model.name} has {n_layers}"
        elif by_name and not _alike(self.model, model.name):
            other = f"{printable(self.model)}, not of {model.name}"
        if other is not None:
            raise WorkbenchError(
                f"The Jacobian lens{f' in {self.source}' if self.source else ''} is of another "
                f"model, {other}: fit one with `workbench lens fit`."
            )
        return self


def _alike(one: str, other: str) -> bool:
    """Whether two names may be of one model: `smollm2` and `owner/SmolLM2-135M-Instruct` may."""
    bare = [
        "".join(filter(str.isalnum, PurePath(name).name.casefold().removesuffix(".gguf")))
        for name in (one, other)
    ]
    return bare[0] in bare[1] or bare[1] in bare[0]
