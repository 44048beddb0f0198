"""A whole file of each kind, and how the workbench reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.campaign.files import Kind
from tests.support.paths import GOLDEN


def _kind(
    name: str, path: Path, read: Callable[[], object], *, plain: bool = False, lines: bool = False
) -> Kind:
    return Kind(name, path, path.read_bytes(), read, plain, lines)


def circuit_kinds(folder: Path) -> list[Kind]:
    """Circuit files of all formats that have a golden file."""
    from workbench.formats.chosen import load_chosen

    found = []
    for golden in sorted((GOLDEN / "formats").iterdir()):
        if not golden.is_file():
            continue
        path = folder / golden.name
        path.write_bytes(golden.read_bytes())
        plain = golden.suffix == ".json"

        def read(path: Path = path) -> object:
            return load_chosen(path)

        found.append(_kind(f"circuit: {golden.name}", path, read, plain=plain))
    return found


def session_kinds(folder: Path) -> list[Kind]:
    """A session's journal, and what lies beside it."""
    from tests.support.cases.session_cases import new_session
    from workbench.discovery.findings_file import load_findings
    from workbench.discovery.selection import Selection
    from workbench.session.about import SessionAbout, read_about
    from workbench.session.header import Header
    from workbench.session.holder import read_holder
    from workbench.session.journal import Journal, read
    from workbench.session.journals import list_sessions, summarised
    from workbench.session.pair_drafts import NEW, DraftFile
    from workbench.session.place import Place, PlaceFile
    from workbench.session.report import write_session_report
    from workbench.session.result_files import ResultFiles
    from workbench.session.start import replayed
    from workbench.session.state_rows import state_rows

    sessions = folder / "sessions"
    sessions.mkdir(exist_ok=True)
    session = new_session(sessions, name="tried.jsonl")
    session.expand("logits")
    session.toggle("m1->logits")
    session.set_threshold(0.01)
    session.undo()
    session.set_group("g", ["m2"], "a role")
    session.note("m2", "a note")
    session.toggle_node("m2")
    session.go_to(2)
    session.name_state(2, "before")
    session.pairs.put_aside([0])
    session.discoveries.run("eap", selection=Selection(n=8))
    session.entitle(SessionAbout("title", ("tag",)))
    path, graph = session.path, session.graph
    PlaceFile(path).save(Place())
    DraftFile(path).save({NEW: session.loaded_pairs[0]})
    holder = path.with_suffix(".holder.json")
    held = holder.read_bytes()
    session.close()
    holder.write_bytes(held)

    def journal() -> None:
        assert any(one.path == path for one in list_sessions())
        json.dumps(summarised(path).to_json())
        reading = read(path)
        opened, reading = Journal.open(path)
        opened.close()
        write_session_report(path, folder / "report.md")
        rows = state_rows(replayed(Header.from_json(reading.header), reading, path))
        assert all(isinstance(row.did, str) for row in rows)

    def results() -> None:
        ResultFiles(path).load(graph)

    found = path.with_suffix(".found")
    return [
        _kind("journal", path, journal, plain=True, lines=True),
        _kind("result", found / "1.json", results, plain=True),
        _kind("shown", found / "shown", results),
        _kind("scores", found / "1.npz", lambda: load_findings(found / "1.npz", graph)),
        _kind("place", PlaceFile(path).path, lambda: PlaceFile(path).load(), plain=True),
        _kind("drafts", DraftFile(path).path, lambda: DraftFile(path).load(), plain=True),
        _kind("title", path.with_suffix(".about.json"), lambda: read_about(path), plain=True),
        _kind("holder", holder, lambda: read_holder(path), plain=True),
    ]


def state_kinds(folder: Path) -> list[Kind]:
    """What is kept for all sessions, and the settings."""
    from workbench.experiment.ability import Ability
    from workbench.experiment.kept_abilities import ability_told, keep_abilities
    from workbench.tutorial.progress import (
        TutorialProgress,
        progress_path,
        read_progress,
        write_progress,
    )
    from workbench.tutorial.steps import STEPS

    keep_abilities("tiny", [Ability("ioi", "logit-difference", 8, 1.5, 0.5, 0.9)])
    write_progress(TutorialProgress("x.jsonl", STEPS[0].key))
    return [
        _kind(
            "abilities", folder / "abilities.json", lambda: ability_told("tiny", "ioi"), plain=True
        ),
        _kind("tutorial", progress_path(), read_progress, plain=True),
    ]


def model_kinds(folder: Path) -> list[Kind]:
    """A model's files, as they come from somewhere."""
    import torch

    from tests.support.tiny_gguf import write_tiny_gguf
    from tests.support.tiny_models import tiny_llama
    from workbench.base.progress import silent
    from workbench.models.folder import read_folder
    from workbench.models.gguf import check_gguf

    gguf = write_tiny_gguf(folder / "tiny.gguf")
    model, tokenizer = tiny_llama()
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")

    def load() -> None:
        read_folder(folder / "model", "tiny", torch.float32, silent)

    kinds = [_kind("model: tiny.gguf", gguf, lambda: check_gguf(gguf, "tiny", silent))]
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"):
        path = folder / "model" / name
        kinds.append(_kind(f"model: {name}", path, load, plain=path.suffix == ".json"))
    return kinds
