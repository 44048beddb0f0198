"""A transformer whose weights are written down: two heads, and an MLP that is a gate on them.

Both heads write 1 where the prompt's first token is the clean one. The MLP puts out 1 if it reads 1
or 2 (an OR of the heads), or only if it reads 2 (an AND), and its output is the answer's logit. As
in the model `known`, a constant much larger than all else makes layer norm the identity.
"""

from __future__ import annotations

import math

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.support.cases.batches import batch_of
from tests.support.tiny_models import tiny_tokenizer
from workbench.circuits.circuit import Circuit
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import Group

CLEAN, CORRUPTED, RIGHT, WRONG = 10, 11, 12, 13
FEATURE, COPIED, OUTPUT, BALLAST = range(4)
CONSTANT = 1000.0
D_MODEL = 8
EDGES = (
    "input->a0.h0<v>",
    "input->a0.h1<v>",
    "a0.h0->m0",
    "a0.h1->m0",
    "m0->logits",
)


def gate_model(kind: str) -> tuple[Experiment, Circuit]:
    """The experiment of one pair on the gate 'or' or 'and', and its circuit."""
    tokenizer = tiny_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=D_MODEL,
        n_layer=1,
        n_head=2,
        n_inner=2,
        activation_function="relu",
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    hf = GPT2LMHeadModel(config).eval()
    for weight in hf.parameters():
        weight.requires_grad_(False).zero_()
    core, block = hf.transformer, hf.transformer.h[0]
    core.wpe.weight[:, -2:] = torch.tensor([CONSTANT, -CONSTANT])
    for norm in (block.ln_1, block.ln_2, core.ln_f):
        norm.weight.fill_(CONSTANT * math.sqrt(2 / D_MODEL))
        norm.weight[-2:] = 0
    # Other tokens have features and logits too, so that the model puts out something on any prompt.
    noise = torch.Generator().manual_seed(0)
    core.wte.weight[:, FEATURE] = torch.randn(len(tokenizer), generator=noise)
    core.wte.weight[[CORRUPTED, RIGHT, WRONG], FEATURE] = 0
    core.wte.weight[CLEAN, FEATURE] = 1
    core.wte.weight[:, BALLAST] = -core.wte.weight[:, FEATURE]
    hf.lm_head.weight[:, OUTPUT] = torch.randn(len(tokenizer), generator=noise)
    hf.lm_head.weight[RIGHT, OUTPUT] = 1
    hf.lm_head.weight[WRONG, OUTPUT] = 0
    d_head = D_MODEL // 2
    for head in range(2):
        block.attn.c_attn.weight[FEATURE, 2 * D_MODEL + head * d_head] = 1
        # Attention is uniform over two positions, of which the first has the feature.
        block.attn.c_proj.weight[head * d_head, [COPIED, BALLAST]] = torch.tensor([2.0, -2.0])
    block.mlp.c_fc.weight[COPIED] = 1
    block.mlp.c_fc.bias[:] = torch.tensor([0.0, -1.0] if kind == "or" else [-1.0, 0.0])
    signs = torch.tensor([[1.0], [-1.0]] if kind == "or" else [[1.0], [0.0]])
    block.mlp.c_proj.weight[:, [OUTPUT, BALLAST]] = signs * torch.tensor([1.0, -1.0])
    model = Model.from_hf(hf, tokenizer, name=kind, device="cpu")
    clean, corrupted = torch.tensor([[CLEAN, WRONG]]), torch.tensor([[CORRUPTED, WRONG]])
    group = Group((0,), clean, corrupted, ((RIGHT,),), ((WRONG,),), 0)
    experiment = Experiment(model, batch_of((group,)))
    return experiment, Circuit.from_edges(model.graph, EDGES)
