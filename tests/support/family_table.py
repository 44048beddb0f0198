"""docs/families.md, made from what the tests load: `python -m tests.support.family_table`.

Every word of the table is read off the parts of the tiny models on which a family is tested, and
every number off their self-check, so that the table claims nothing that is not tested.
"""

from __future__ import annotations

import math
import re
from typing import TypeGuard

import torch
from torch import Tensor, nn

from tests.support.cases.family_cases import CASES, model_of
from tests.support.paths import ROOT
from workbench.models.model import Model
from workbench.transformer.families.catalogue import FAMILIES, words_of_families
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.parts import Attention, ModelParts

FILE = ROOT / "docs" / "families.md"

TEXT = """\
# Families

<!-- Written by `python -m tests.support.family_table`; the tests compare it. -->

On these families the workbench is exact. Tests hold it, on tiny random models of unusual shapes, to
transformers itself (clean and corrupted runs) and to an independent reference that runs the model's
own modules under hooks (random circuits, what-if batches, effects in all three settings, EAP). On
loading, every model is compared with its own forward pass, and refused if it differs.

{table}

*Difference*: the largest root mean square, over the vocabulary, of the difference of the engine's
logits from transformers', in float32 and in units of the logits' standard deviation, at any
position of the two prompts of the self-check, on any of the family's tiny models. What is written
here is an upper bound, rounded up. *Some* means: in some layers or in some of the tested models.

## What the nodes and edges are

- Every query head has its own q, k and v input, also where heads share keys and values: the model
  then behaves as if it had a key-value head for each query head.
- A head writes z W_O; output biases belong to no node and are always there, like learned positions.
- Where a family multiplies what a block adds to the residual (Granite), that factor is part of what
  heads and MLPs write.
- In a parallel block the MLP reads what attention reads, so there are no edges from a layer's heads
  to its own MLP.
- Where a norm follows a layer's heads (Gemma 2 and 3, OLMo 2 and 3, EXAONE 4, GLM 4), they reach a
  destination through it together: [post-norm.md](post-norm.md).
- Out of a latent (DeepSeek V2 and V3) come all heads' keys and values, in most models queries too.
  Each head has its own q, k and v input all the same: the model then behaves as if it had a latent
  for each of them. What is rotated of the keys belongs to every head's k input.
- A layer of experts is one node. Which experts a token takes is computed anew from whatever the
  node reads, so a patched edge may send it to others.
- A sink (GPT-OSS) is a key before all others whose score is a weight of the head and whose value is
  nothing: it belongs to no node, and what it takes is missing from the pattern's sum.
- Chunks (Llama 4): a query sees the positions of its own chunk only. Where its other layers make
  queries grow with their position, from some thousands on, longer prompts are refused.
- ALiBi (BLOOM, MPT, some Falcons) adds to a score by the key's place: the same in both runs, so it
  belongs to no source, like learned positions.
- A query sees as many positions back as its layer's window has, also where only the positions after
  the prompts' common beginning are computed anew.
- Direct logit attribution and the logit lens of a node are of the logits before a final soft cap,
  if there is one, since no sum survives it; metrics are of the model's own logits.

## What is refused

Encoders, encoder-decoders, state-space and recurrent models and hybrids of them (in Qwen 3.5 three
of four layers are linear attention, which carries a state along and has no queries and keys), Gemma
4 E2B and E4B (which give every layer an embedding of the token, past the residual), quantised
weights, OPT with norms after its blocks (opt-350m), BLOOM that adds normed values to its residual,
query heads that do not divide evenly among key-value heads, and every family that is not in the
table. The message says what would be needed. Of a multimodal model (Gemma 3, LLaVA, Mistral 3) the
text model inside is taken, if its family is in the table, and it is said.

## A new family

An adapter in `workbench/transformer/families` says where the weights are and how they are used; a
maker in `tests/support/recent_families.py` gives the tests tiny models in unusual shapes; `Names`
in `tests/support/references/family.py` tells the reference where modules are; and a line of the
catalogue beside the adapters lets it in. Then write this file anew. A package of your own can bring
a family too: [extending.md](extending.md#a-family).
"""


def table(stated: dict[str, float] | None = None) -> str:
    """The table in Markdown.

    Args:
        stated: upper bound of the difference by model_type; None for bounds made from this run.
    """
    bounds = {f: _above(d) for f, d in differences().items()} if stated is None else stated
    lines = [
        "| family | model_type | blocks | positions | attention | besides | difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for family, name in words_of_families().items():
        models = [model_of(case) for case in cases_of(family)]
        every = [model.parts for model in models]
        cells = [name, f"`{family}`", _blocks(every), _positions(every), _attention(every)]
        cells += [_besides(models), f"{bounds.get(family, math.nan):.0e}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def document(stated: dict[str, float] | None = None) -> str:
    """The whole file."""
    return TEXT.format(table=table(stated))


def cases_of(family: str) -> list[str]:
    """The tested models of a family."""
    return [case for case in CASES if case.split()[0] == family]


def differences() -> dict[str, float]:
    """Of every family, the largest difference found on loading its tiny models."""
    return {
        family: max(model_of(case).check.relative for case in cases_of(family))
        for family in FAMILIES
    }


def stated_differences(text: str) -> dict[str, float]:
    """What a file says."""
    rows = re.findall(r"^\|[^|]*\| `(\w+)` \|.*\| (\S+) \|$", text, re.MULTILINE)
    return {family: float(number) for family, number in rows}


def _above(difference: float) -> float:
    """A round number well above, so that another machine's rounding errors are below it too."""
    exponent = math.floor(math.log10(2 * difference))
    return next(m * 10.0**exponent for m in (1, 2, 5, 10) if m * 10.0**exponent >= 2 * difference)


def _attentions(every: list[ModelParts]) -> list[Attention]:
    return [layer.attention for parts in every for layer in parts.layers]


def _some(what: str, found: list[bool]) -> list[str]:
    """The words, marked if it is not so everywhere; nothing if nowhere."""
    if not any(found):
        return []
    return [what if all(found) else f"some {what}"]


def _blocks(every: list[ModelParts]) -> str:
    layers = [layer for parts in every for layer in parts.layers]
    norms = [n for layer in layers for n in (layer.norm1, layer.post_attention) if _is_norm(n)]
    words = ["LayerNorm" if {FrozenNorm.of(n).centred for n in norms} == {True} else "RMSNorm"]
    if any(layer.post_attention is not None for layer in layers):
        before = any(_is_norm(layer.norm1) for layer in layers)
        words[0] += " before and after" if before else " after"
    words += _some("parallel", [parts.parallel for parts in every])
    words += _some("one norm", [p.layers[0].norm1 is p.layers[0].norm2 for p in every])
    return ", ".join(words)


def _is_norm(module: nn.Module | None) -> TypeGuard[nn.Module]:
    return module is not None and not isinstance(module, nn.Identity)


def _positions(every: list[ModelParts]) -> str:
    words = ["learned"] if every[0].position_embedding is not None else []
    attentions = _attentions(every)
    words += _some("ALiBi", [a.key_bias is not None for a in attentions])
    rotated = [a.rotary is not None for a in attentions]
    by_model = [[layer.attention.rotary is not None for layer in m.layers] for m in every]
    if any(any(own) and not all(own) for own in by_model):
        words.append("rotary in some layers")
    elif any(rotated):
        words += _some("rotary", rotated)
    if any(_is_partial(a) for a in attentions):
        words.append("part of each head")
    words += _some("neighbours", [a.interleaved for a in attentions])
    return ", ".join(words)


def _is_partial(attention: Attention) -> bool:
    if attention.rotary is None:
        return False
    return attention.rotary(torch.zeros(1, dtype=torch.long))[0].shape[-1] < attention.widths[0]


def _attention(every: list[ModelParts]) -> str:
    attentions = _attentions(every)
    words = _some("grouped", [len(a.w_k) < len(a.w_q) for a in attentions])
    words += _some("window", [a.window is not None for a in attentions])
    words += _some("chunks", [a.chunk is not None for a in attentions])
    words += _some("sinks", [a.sinks is not None for a in attentions])
    words += _some("capped", [a.softcap is not None for a in attentions])
    words += _some("unscaled", [a.scale == 1 for a in attentions])
    words += _some("q of a latent", [a.latent(0) is not None for a in attentions])
    words += _some("k, v of a latent", [a.latent(1) is not None for a in attentions])
    plain = [[a.steps[i] is not None and a.latent(i) is None for i in (0, 2)] for a in attentions]
    q_or_v = [(q, v) for q, v in plain]
    words += _some("q, k normed", [q and not v for q, v in q_or_v])
    words += _some("q, k normed over all heads", [a.joint[0] is not None for a in attentions])
    words += _some("q, k, v clipped", [v for _, v in q_or_v])
    words += _some("biases", [a.b_q is not None for a in attentions])
    return ", ".join(words)


def mechanisms_of(case: str) -> set[str]:
    """What a tested model has, in the table's words, each without *some*."""
    models = [model_of(case)]
    every = [model.parts for model in models]
    cells = (_blocks(every), _positions(every), _attention(every), _besides(models))
    words = {word.removeprefix("some ") for cell in cells for word in cell.split(", ") if word}
    # q, k and v of a head come together or apart; a block's norms are its own or shared.
    return words - {"q", "k"}


def _besides(models: list[Model]) -> str:
    every = [model.parts for model in models]
    words = _some("experts", [layer.routed for parts in every for layer in parts.layers])
    factors = [_of_embedding(model) for model in models]
    spread = [float(factor.std()) for factor in factors]
    scaled = [abs(float(f[0]) - 1) > 1e-3 > s for f, s in zip(factors, spread, strict=True)]
    words += _some("scaled embedding", scaled)
    words += _some("normed embedding", [s >= 1e-3 for s in spread])
    words += _some("unembedding bias", [parts.b_u is not None for parts in every])
    words += _some("scaled writes", [a.multiplier != 1 for a in _attentions(every)])
    words += _some("scaled logits", [parts.logit_scale != 1 for parts in every])
    words += _some("capped logits", [parts.logit_cap is not None for parts in every])
    weights = [FrozenNorm.of(parts.norm_final).weight for parts in every]
    words += _some("norms without weights", [weight.dim() == 0 for weight in weights])
    return ", ".join(words)


def _of_embedding(model: Model) -> Tensor:
    """What each number of a token's embedding is multiplied by before the first block."""
    token = torch.tensor([3])
    raw = model.hf.get_input_embeddings().weight[token]
    return (model.parts.token_embedding(token) / raw)[0].detach()


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
