"""The model `known`: a transformer whose weights are written down, and so its circuit.

A GPT-2 of three layers that does induction, A B ... A -> B, in two ways at once:

- a0.h1 writes at every position which word stands before it; a1.h0 looks for the position whose
  *previous* word is the current one, and copies the word there;
- a0.h3 finds *where* the current word stood before; a1.h2 looks one position further on, and copies
  the word there.

Both write into one subspace, and m2 turns what was copied there into a logit where it is more than
`LEAST`: with one of the two lost, more than half of the logit is.  Every word is one direction, so
that attention tells words apart without being certain, and gradients see it.  All other heads and
MLPs are decoys with random weights: they read everything and write where nothing that matters
reads.

The residual stream is cut into `SPACES`.  A constant much larger than all else makes layer norm a
division by a number that hardly changes (by one part in 10^6), and `ballast` keeps the mean of
whatever is written at zero; so the model computes what is written here, and nothing else.

Glossary: docs/glossary.md#known.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.words import THINGS
from workbench.bundled_models.pocket.vocabulary import BEGIN, UNKNOWN, word_level
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.formats import save_circuit
from workbench.models.bundled import CIRCUIT, write_digests

WORDS = tuple(singular for singular, _ in THINGS)
VOCABULARY = (UNKNOWN, BEGIN, "List", ":", *(f" {word}" for word in WORDS))
POSITIONS = 16
LAYERS, HEADS, D_HEAD, NEURONS = 3, 4, 40, 64
D_MODEL = HEADS * D_HEAD
CONSTANT = 1000.0
SHARPNESS = 4.0
"""Attention score of what a head looks for; of everything else it is 0."""
LEAST, GAIN = 0.4, 6.0
"""How much of a word has to be copied, and what the rest of it is multiplied by."""
SEED = 0


def _spaces(**widths: int) -> dict[str, slice]:
    bounds = accumulate(widths.values(), initial=0)
    return {name: slice(*ends) for name, ends in zip(widths, pairwise(bounds), strict=True)}


SPACES = _spaces(
    word=len(WORDS),
    previous=len(WORDS),
    copied=len(WORDS),
    output=len(WORDS),
    position=POSITIONS,
    where=POSITIONS,
    ballast=1,
    constant=2,
    junk=D_MODEL - 4 * len(WORDS) - 2 * POSITIONS - 3,
)

TRUE_EDGES = (
    "input->a0.h1<v>",
    "a0.h1->a1.h0<k>",
    "input->a1.h0<q>",
    "input->a1.h0<v>",
    "a1.h0->m2",
    "input->a0.h3<q>",
    "input->a0.h3<k>",
    "a0.h3->a1.h2<q>",
    "input->a1.h2<v>",
    "a1.h2->m2",
    "m2->logits",
)
"""The edges that carry what differs between a clean and a corrupted prompt of the task.

Positions are the same in both: the edges that carry nothing else (from the input into the query and
key of a0.h1, the value of a0.h3 and the key of a1.h2) make no difference when they are patched.
"""

TRUE_PARTS = (
    "input->a0.h1<v>@first",
    "a0.h1->a1.h0<k>@next",
    "input->a1.h0<q>@second",
    "input->a1.h0<v>@next",
    "a1.h0->m2@second",
    "input->a0.h3<q>@second",
    "input->a0.h3<k>@first",
    "a0.h3->a1.h2<q>@second",
    "input->a1.h2<v>@next",
    "a1.h2->m2@second",
    "m2->logits@second",
)
"""The same edges at the token roles of the task at which they carry it.

The word stands at `first` and, as the prompt's last, at `second`; the one after it is copied from
`next`.
"""


ROLES = (
    RoleGroup("previous", "which word stands before", ("a0.h1",)),
    RoleGroup("duplicate", "where the word stood before", ("a0.h3",)),
    RoleGroup("induction", "copy the word that followed", ("a1.h0", "a1.h2")),
    RoleGroup("decide", "raise what was copied", ("m2",)),
)


def true_circuit() -> Circuit:
    """The circuit of the task `induction` with the ablation `patching`."""
    circuit = Circuit.from_edges(Graph(LAYERS, HEADS), TRUE_EDGES)
    circuit.groups = ROLES
    circuit.notes = {"": "True by construction: these edges carry all that differs."}
    circuit.provenance = {
        "model": {"name": "known"},
        "task": {"name": "induction"},
        "ablation": "patching",
    }
    return circuit


class _Head:
    """The weights of one head, [d_model, d_head] each, and [d_head, d_model]."""

    def __init__(self) -> None:
        self.q, self.k, self.v = (torch.zeros(D_MODEL, D_HEAD) for _ in range(3))
        self.o = torch.zeros(D_HEAD, D_MODEL)

    def match(self, query: str, key: str, *, shift: int = 0, sign: float = 1, at: int = 0) -> None:
        """Score `sign` times what query and key have in common, the query moved on by `shift`."""
        size = SPACES[query].stop - SPACES[query].start
        strength = math.sqrt(SHARPNESS * abs(sign) * math.sqrt(D_HEAD))
        self.q[SPACES[query], at : at + size] += strength * torch.eye(size).roll(shift, 1)
        self.k[SPACES[key], at : at + size] += math.copysign(strength, sign) * torch.eye(size)
        if shift:  # nothing lies beyond the ends
            edge = 0 if shift < 0 else size - 1
            self.q[SPACES[query].start + edge, at : at + size] = 0

    def copy(self, source: str, target: str) -> None:
        """Write in `target` what stands in `source` where it attends to."""
        size = SPACES[source].stop - SPACES[source].start
        self.v[SPACES[source], :size] = torch.eye(size)
        self.o[:size, SPACES[target]] = torch.eye(size)
        self.o[:size, SPACES["ballast"]] = -1


def _program() -> dict[tuple[int, int], _Head]:
    """The heads of the circuit, by layer and head."""
    before, found = _Head(), _Head()
    before.match("position", "position", shift=-1)
    before.copy("word", "previous")
    found.match("word", "word")
    found.match("position", "position", sign=-2, at=len(WORDS))  # not the current word itself
    found.copy("position", "where")
    by_word, by_place = _Head(), _Head()
    by_word.match("word", "previous")
    by_word.copy("word", "copied")
    by_place.match("where", "position", shift=1)
    by_place.copy("word", "copied")
    return {(0, 1): before, (0, 3): found, (1, 0): by_word, (1, 2): by_place}


def _decoy(random: torch.Generator) -> _Head:
    head = _Head()
    for matrix in (head.q, head.k, head.v):
        matrix.normal_(generator=random)
    head.o[:, SPACES["junk"]] = _junk(D_HEAD, random) / D_HEAD
    return head


def _junk(rows: int, random: torch.Generator) -> Tensor:
    """Random directions within `junk`, of mean zero."""
    space = SPACES["junk"]
    made = torch.randn(rows, space.stop - space.start, generator=random)
    return made - made.mean(1, keepdim=True)


def make_model() -> Any:
    """The transformers model, in evaluation mode."""
    from transformers import GPT2Config, GPT2LMHeadModel

    begin = VOCABULARY.index(BEGIN)
    model: Any = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(VOCABULARY),
            n_positions=POSITIONS,
            n_embd=D_MODEL,
            n_layer=LAYERS,
            n_head=HEADS,
            n_inner=NEURONS,
            activation_function="relu",
            tie_word_embeddings=False,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=begin,
            eos_token_id=begin,
        )
    ).eval()
    for weight in model.parameters():
        weight.requires_grad_(False).zero_()
    random = torch.Generator().manual_seed(SEED)
    core = model.transformer
    _write_embeddings(core.wte.weight, core.wpe.weight)
    program = _program()
    for layer, block in enumerate(core.h):
        heads = [program.get((layer, head)) or _decoy(random) for head in range(HEADS)]
        mixed = [torch.cat([getattr(head, name) for head in heads], 1) for name in "qkv"]
        block.attn.c_attn.weight.copy_(torch.cat(mixed, 1))
        block.attn.c_proj.weight.copy_(torch.cat([head.o for head in heads], 0))
        _write_mlp(block.mlp, random, reads=layer == LAYERS - 1)
    for norm in (*(n for block in core.h for n in (block.ln_1, block.ln_2)), core.ln_f):
        norm.weight.fill_(CONSTANT * math.sqrt(2 / D_MODEL))  # the scale that it divides by
        norm.weight[SPACES["constant"]] = 0
    words = slice(VOCABULARY.index(f" {WORDS[0]}"), None)
    model.lm_head.weight[words, SPACES["output"]] = torch.eye(len(WORDS))
    for place, text in enumerate(("List", ":")):  # how every prompt begins
        token = VOCABULARY.index(text)
        model.lm_head.weight[token, SPACES["position"].start + place] = GAIN
    return model


def _write_embeddings(tokens: Tensor, positions: Tensor) -> None:
    words = slice(VOCABULARY.index(f" {WORDS[0]}"), None)
    tokens[words, SPACES["word"]] = torch.eye(len(WORDS))
    tokens[words, SPACES["ballast"]] = -1
    positions[:, SPACES["position"]] = torch.eye(POSITIONS)
    positions[:, SPACES["ballast"]] = -1
    positions[:, SPACES["constant"]] = torch.tensor([CONSTANT, -CONSTANT])


def _write_mlp(mlp: Any, random: torch.Generator, *, reads: bool) -> None:
    """Decoy neurons; with `reads`, one neuron for each word before them."""
    enter, leave = mlp.c_fc.weight, mlp.c_proj.weight  # [d_model, neuron], [neuron, d_model]
    enter.normal_(generator=random)
    leave[:, SPACES["junk"]] = _junk(NEURONS, random) / NEURONS
    if not reads:
        return
    n = len(WORDS)
    enter[:, :n] = 0
    enter[SPACES["copied"], :n] = torch.eye(n)
    mlp.c_fc.bias[:n] = -LEAST
    leave[:n] = 0
    leave[:n, SPACES["output"]] = GAIN * torch.eye(n)
    leave[:n, SPACES["ballast"]] = -GAIN


CARD = """\
# The model `known`

A GPT-2 of 3 layers with 4 heads each whose weights were written by hand, so that its circuit for
the task `induction` is known. It is there to test ways of finding circuits: one that does not find
these edges, or finds others, is wrong. `workbench/bundled_models/known.py` says what every part
does and writes these files; `circuit.json` is the true circuit.

{edges}

These are all the edges that carry what differs between a clean and a corrupted prompt (ablation
`patching`). Edges that carry positions alone are the same in both and make no difference. All other
heads and MLPs have random weights and write where nothing reads; their effects are below a
thousandth of the true ones, and not zero only because layer norm divides by the size of everything.

It knows {n_words} words and nothing else.

Licence: MIT, as the workbench.
"""


def write(folder: Path) -> None:
    """Write model, tokenizer, true circuit, card and digests into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    make_model().save_pretrained(folder)
    tokenizer = word_level(VOCABULARY, POSITIONS, begin=BEGIN, unknown=UNKNOWN)
    tokenizer.save_pretrained(folder)
    save_circuit(true_circuit(), folder / CIRCUIT)
    card = CARD.format(edges=_listed(TRUE_EDGES), n_words=len(WORDS))
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_digests(folder)


def _listed(edges: tuple[str, ...]) -> str:
    return "\n".join(f"- `{edge}`" for edge in edges)
