"""A model ready for analysis: weights, tokenizer, graph, and the proof of the engine.

The proof is that the engine computes this model. `load_model` finds the weights (`source`), reads
them (`folder`) and hands them to `Model.from_hf`, which takes the engine's view of them (`parts`)
and checks the engine's logits against the model's own (`self_check`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from workbench.base.failures import first_line, memory_errors
from workbench.base.progress import Progress, silent
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.models.device import choose_device, choose_dtype, in_numbers
from workbench.models.device_map import MapChoice, Spread, rooms_here, spread_of
from workbench.models.file_tokenizer import TOKENIZER_FILE, KeptTokenizer
from workbench.models.folder import Entries, read_folder, too_big
from workbench.models.info import ModelInfo, SelfCheck
from workbench.models.place import Place, source_of
from workbench.models.text_inside import take_text

if TYPE_CHECKING:
    from workbench.models.passed_checks import Passed
    from workbench.transformer.parts import ModelParts


@dataclass(frozen=True)
class ModelChoice:
    """What chooses a model: equal choices load equal models.

    Attributes:
        name, device, dtype, revision, device_map: as `load_model` takes them.
    """

    name: str
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    device_map: str | None = None


@dataclass
class Model:
    """A loaded model.

    Attributes:
        name: as the user named it.
        graph: its computational graph.
        read_hf: gives the transformers model, with the weights that `parts` has; see `hf`.
        tokenizer: its transformers tokenizer, or one that gives the same tokens and asks
            transformers' own for the rest, see `file_tokenizer`.
        parts: the engine's view of weights and modules.
        device, dtype: where it runs and in which numbers.
        prepend_bos: whether the tokenizer by itself puts a BOS token before a prompt.
        check: the engine's logits compared with the model's own.
        info: all of this in plain values.
        chosen: what `load_model` was asked for; None if it was made otherwise.
    """

    name: str
    graph: Graph
    read_hf: Callable[[], Any]
    tokenizer: Any
    parts: ModelParts
    device: torch.device
    dtype: torch.dtype
    prepend_bos: bool
    check: SelfCheck
    info: ModelInfo
    chosen: ModelChoice | None = None

    @property
    def positions(self) -> int | None:
        """How many tokens a prompt may have; None where positions are looked up in no table.

        And where all are exact.
        """
        if self.parts.longest is not None:
            return self.parts.longest
        longest = self.info.architecture.context
        return None if self.parts.position_embedding is None or not longest else longest

    @cached_property
    def hf(self) -> Any:
        """The transformers model; read when it is first asked for, where a stand-in was loaded."""
        return self.read_hf()

    @classmethod
    def from_hf(
        cls,
        hf_model: Any,
        tokenizer: Any,
        *,
        name: str = "model",
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        device_map: MapChoice | Spread | None = None,
        where: str = "memory",
        check: SelfCheck | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Make a model out of a transformers model and its tokenizer.

        No file or network is touched. The transformers model is taken over: its attention is made
        the plain one.

        Args:
            hf_model: a causal language model of a supported family.
            tokenizer: its tokenizer.
            name: what to call it.
            device: where to run it; None leaves it where it is.
            dtype: None leaves the numbers as they are.
            device_map: as of `load_model`; None: all on one device.
            where: where the weights came from, for `ModelInfo`.
            check: what the self-check of the very same model found before; None: it is made.
            progress: told what is being done.

        Raises:
            WorkbenchError: the family is not exact here, the weights are quantised, or the engine's
                logits differ from the model's own by more than float noise.
        """
        from workbench.models.architecture import architecture_of, weight_bytes
        from workbench.models.in_float64 import in_float64
        from workbench.models.self_check import self_check
        from workbench.models.spread_model import (
            as_the_engine_sees,
            dispatched,
            spread_over,
            told,
            with_resident_mlps,
        )
        from workbench.models.transformers_access import reading_notes, with_plain_attention
        from workbench.transformer.families import parts_of
        from workbench.transformer.families.fit import known_parts
        from workbench.transformer.families.supported import require_supported, text_inside

        say = progress or silent
        require_supported(hf_model.config, name)
        if text_inside(hf_model.config) is not None:
            hf_model = take_text(hf_model, name)
        parameter = next(hf_model.parameters())
        number = parameter.dtype if dtype is None else choose_dtype(dtype)
        spread = None
        if isinstance(device_map, Spread):
            spread = device_map
        elif device_map is not None:
            spread = spread_of(device_map, hf_model, number, rooms_here(device), name)
        where_to = parameter.device if device is None else choose_device(device)
        if number == torch.float64 and where_to.type == "mps":
            raise WorkbenchError("Apple's GPUs know no float64: say --device cpu beside it.")
        if spread is not None:
            where_to = torch.device(spread.home)
            spread = spread if spread.is_spread else None
        with memory_errors(too_big(name)):
            moved = (
                hf_model.to(device=where_to) if spread is None else spread_over(hf_model, spread)
            )
            hf_model = in_numbers(moved, number)
        hf_model = hf_model.eval().requires_grad_(False)
        with known_parts(name, hf_model.config.model_type):
            with_plain_attention(hf_model)
            if number == torch.float64:
                hf_model = in_float64(hf_model)
        seen, notes = hf_model, reading_notes(hf_model, name)
        if spread is not None:
            seen = as_the_engine_sees(hf_model, spread)
            notes = (*notes, told(spread, spread.weights(hf_model, number)))
            hf_model = dispatched(hf_model, spread, name)
        parts = parts_of(seen)
        parts = parts if spread is None else with_resident_mlps(parts)
        graph = parts.graph()
        say("Checking the engine against the model", None)
        with known_parts(name, hf_model.config.model_type):
            check = check or self_check(hf_model, parts, tokenizer, name)
            architecture = architecture_of(seen, parts)
        bos = tokenizer_prepends_bos(tokenizer)
        info = ModelInfo(
            name=name,
            family=hf_model.config.model_type,
            layers=graph.n_layers,
            heads=graph.n_heads,
            kv_heads=parts.n_kv_heads,
            d_model=parts.d_model,
            d_head=parts.d_head,
            parameters=sum(weight.numel() for weight in seen.parameters()),
            weight_bytes=weight_bytes(seen, parts),
            nodes=len(graph.nodes),
            edges=graph.n_edges,
            vocabulary=int(parts.w_u.shape[1]),
            device=str(where_to),
            dtype=str(number).removeprefix("torch."),
            architecture=architecture,
            check=check,
            bos=bos,
            where=where,
            notes=notes,
        )
        return cls(
            name, graph, lambda: hf_model, tokenizer, parts, where_to, number, bos, check, info
        )

    @cached_property
    def bridge(self) -> Any:
        """TransformerLens's TransformerBridge around `hf`, made when it is first asked for.

        It wraps the modules of `hf` in place. The workbench itself has no need of it.

        Raises:
            WorkbenchError: TransformerLens cannot wrap the model.
        """
        return _bridge(self.hf, self.tokenizer, self.name)


def load_model(
    name: str,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    revision: str | None = None,
    device_map: MapChoice | None = None,
    recheck: bool = False,
    progress: Progress | None = None,
) -> Model:
    """Find, read and check a model.

    A model that passed its self-check before, with the same weights, versions, device and numbers,
    is not checked again, see `passed_checks`; where its stand-in computes the same, transformers is
    not imported before `hf` is asked for.

    Args:
        name: a short name (`pocket`), a folder in transformers' format, a `.gguf` file, or a hub
            id (`gpt2`). What is on this machine is read without a look at the network.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; None: the best that is there.
        dtype: `float32` (the default), `bfloat16`, `float16`, or `float64`, in which next to
            nothing is rounding.
        revision: branch, tag or commit of a hub model.
        device_map: `auto` or `balanced`, a JSON file of modules' names and devices, or that as a
            mapping: weights lie on several devices, or on the host; None: all on `device`. With
            one, `device` is the accelerator that the engine computes on.
        recheck: make the self-check whatever is known.
        progress: called with what is being done and the fraction done (None: unknown).

    Raises:
        WorkbenchError: for every way in which this can fail that is not a defect of ours.
    """
    say = progress or silent
    if device_map is not None:
        return _spread(name, device_map, device, dtype, revision, say)
    place = Place.of(name, revision, choose_device(device), choose_dtype(dtype), say)
    passed = None if recheck else place.passed()

    def read() -> tuple[Any, Any, str]:
        return read_model(name, device=device, dtype=dtype, revision=revision, progress=say)

    model = None if passed is None else _as_before(place, passed, read)
    if model is None:
        hf_model, tokenizer, where = read()
        check = None if passed is None else passed.info.check
        model = Model.from_hf(
            hf_model, tokenizer, name=name, where=where, check=check, progress=say
        )
        if passed is None:
            place.keep(model.info, hf_model, model.parts, tokenizer)
    model.chosen = ModelChoice(name, _named(device), _named(dtype), revision)
    return model


def _spread(
    name: str,
    device_map: MapChoice,
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    revision: str | None,
    say: Progress,
) -> Model:
    """A model over several devices; its check is made whenever it is loaded."""
    from workbench.models.transformers_access import empty_model

    number, found = choose_dtype(dtype), None

    def entries(folder: Path) -> dict[str, str]:
        nonlocal found
        found = spread_of(device_map, empty_model(folder, number), number, rooms_here(device), name)
        return dict(found.entries)

    hf_model, tokenizer, where = _from_source(name, number, revision, say, entries)
    model = Model.from_hf(
        hf_model,
        tokenizer,
        name=name,
        device=device,
        dtype=number,
        device_map=found or device_map,
        where=where,
        progress=say,
    )
    if isinstance(device_map, str):
        model.chosen = ModelChoice(name, _named(device), _named(dtype), revision, device_map)
    return model


Read: TypeAlias = Callable[[], tuple[Any, Any, str]]
"""Reads transformers' model and tokenizer, and says where they came from."""


def _as_before(place: Place, passed: Passed, read: Read) -> Model | None:
    """A model that passed before, by its stand-in; None where it has none."""
    made = place.stand_in(passed)
    if made is None or passed.tokens is None:
        return None
    from workbench.transformer.families import parts_of

    stand_in, folder = made
    parts, info = parts_of(stand_in), passed.info
    own = cache(read)

    def read_hf() -> Any:
        from workbench.models.stand_in import with_weights_of
        from workbench.models.transformers_access import with_plain_attention

        hf_model = own()[0].eval().requires_grad_(False)
        with_plain_attention(hf_model)
        return with_weights_of(stand_in, hf_model)

    try:
        tokenizer = KeptTokenizer(folder / TOKENIZER_FILE, passed.tokens, lambda: own()[1])
    except WorkbenchError:  # taken away since it was found: reading the model makes it, or says why
        return None
    where = torch.device(info.device)
    numbers = choose_dtype(info.dtype)
    return Model(
        info.name,
        parts.graph(),
        read_hf,
        tokenizer,
        parts,
        where,
        numbers,
        info.bos,
        info.check,
        info,
    )


def _named(choice: object) -> str | None:
    """A device or a number format by its name, however it was given."""
    return None if choice is None else str(choice).removeprefix("torch.")


def read_model(
    name: str,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
) -> tuple[Any, Any, str]:
    """The transformers model, on its device, its tokenizer, and where they came from.

    Args and errors are those of `load_model`.
    """
    chosen_device, chosen_dtype = choose_device(device), choose_dtype(dtype)
    say = progress or silent
    hf_model, tokenizer, where = _from_source(name, chosen_dtype, revision, say)
    say("Moving the weights to the device", None)
    with memory_errors(too_big(name)):
        hf_model = in_numbers(hf_model.to(device=chosen_device), chosen_dtype)
    return hf_model, tokenizer, where


def _from_source(
    name: str,
    dtype: torch.dtype,
    revision: str | None,
    say: Progress,
    entries: Entries | None = None,
) -> tuple[Any, Any, str]:
    """The transformers model, its tokenizer, and where they came from.

    Args:
        entries: a folder's device map, by which its weights are read to their devices; what else a
            model is read from is read to the host.
    """
    source = source_of(name, revision)
    say("Starting", None)
    path, where = source.path, "hub" if source.kind == "hub" else str(source.path)
    if path is None:
        from workbench.models.hub import hub_folder

        path = hub_folder(name, revision, say)
    if source.kind == "gguf":
        from workbench.models.gguf import read_gguf

        return *read_gguf(path, name, dtype, say), where
    if source.kind == "adapter":
        from workbench.models.adapter import read_adapter

        return read_adapter(path, name, dtype, say)
    return *read_folder(path, name, dtype, say, entries), where


def tokenizer_prepends_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer, left to itself, puts its BOS token before a prompt."""
    bos = getattr(tokenizer, "bos_token_id", None)
    ids = tokenizer("a")["input_ids"]
    return bos is not None and len(ids) > 0 and ids[0] == bos


def _bridge(hf_model: Any, tokenizer: Any, name: str) -> Any:
    """TransformerLens's bridge around a model in memory: raw weights, not folded or centred.

    Not `boot_transformers`: handed a tokenizer that prepends no BOS, that one loads another that
    does, from the hub if need be.
    """
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    config = copy.deepcopy(hf_model.config)
    if getattr(config, "pad_token_id", None) is None:
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) and end else end
    try:
        bridge = build_bridge_from_module(
            hf_model, type(hf_model).__name__, hf_config=config, model_name=name
        )
    except Exception as error:  # of any kind: it knows less of a family's variants
        raise WorkbenchError(
            f"TransformerLens could not wrap {name} (a {type(hf_model).__name__}): "
            f"{first_line(error)}."
        ) from error
    bridge.tokenizer = tokenizer
    bridge.cfg.tokenizer_prepends_bos = tokenizer_prepends_bos(tokenizer)
    bridge.cfg.default_prepend_bos = bridge.cfg.tokenizer_prepends_bos
    return bridge
