"""The final norm in pieces, against the modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.olmo.modeling_olmo import OlmoLayerNorm

from workbench.errors import WorkbenchError
from workbench.transformer.frozen_norm import FrozenNorm

D = 12


def random_weights(norm: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in norm.parameters():
        parameter.data.normal_(generator=generator)
    return norm


@pytest.mark.parametrize(
    "norm",
    [
        nn.LayerNorm(D, eps=0.3),
        nn.LayerNorm(D, bias=False),
        LlamaRMSNorm(D, eps=0.3),
        GemmaRMSNorm(D),  # multiplies by 1 + weight
        CohereLayerNorm(D, eps=0.3),
        OlmoLayerNorm(D),  # without weights
    ],
)
def test_pieces_make_the_norm_and_are_linear(norm: nn.Module) -> None:
    frozen = FrozenNorm.of(random_weights(norm))
    x, y = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(1))
    scale = frozen.scale(x + y)
    parts = [frozen.centre(part) * scale * frozen.weight for part in (x, y)]
    bias = 0 if frozen.bias is None else frozen.bias
    torch.testing.assert_close(parts[0] + parts[1] + bias, norm(x + y), rtol=1e-5, atol=1e-5)


def test_a_variant_is_refused() -> None:
    class Squared(LlamaRMSNorm):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) ** 2

    with pytest.raises(WorkbenchError, match="does more"):
        FrozenNorm.of(random_weights(Squared(D)))


def test_what_is_no_norm_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="neither"):
        FrozenNorm.of(nn.Linear(D, D))


def test_half_precision_is_read() -> None:
    frozen = FrozenNorm.of(random_weights(LlamaRMSNorm(D)).bfloat16())
    assert frozen.weight.dtype == torch.float32
