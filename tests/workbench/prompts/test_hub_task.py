"""Task files on the hub: fetched once, refused in a sentence where that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from tasks import Pair
from workbench.errors import WorkbenchError
from workbench.prompts.task_file import check_task, read_task

RECORD = {"clean": "The keys", "corrupt": "The key", "answer": " are", "wrong": " is"}
PAIR = Pair("The keys", "The key", (" are",), (" is",))
ADDRESS = "hf://datasets/lab/agreement/data/train.jsonl"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the hub is asked for; it has one file, and nothing of it is here yet."""
    path = tmp_path / "snapshots" / "train.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(RECORD))
    questions: list[tuple[Any, ...]] = []

    def download(repo: str, file: str, *, repo_type: str, revision: str | None) -> str:
        questions.append((repo, file, repo_type, revision))
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    return questions


def test_a_file_of_a_data_set(asked: list[tuple[Any, ...]]) -> None:
    task = read_task(ADDRESS)
    assert (task.pairs, task.name, task.source) == ((PAIR,), "train.jsonl", ADDRESS)
    assert read_task("hf://datasets/lab/agreement@v1.0/train.jsonl").pairs == (PAIR,)
    assert asked == [
        ("lab/agreement", "data/train.jsonl", "dataset", None),
        ("lab/agreement", "train.jsonl", "dataset", "v1.0"),
    ]


def test_what_is_here_is_asked_of_nobody(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "here.jsonl"
    path.write_text(json.dumps(RECORD))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(path))
    check_task(ADDRESS)
    assert not asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.GatedRepoError, "lab/agreement is gated: accept its conditions"),
        (errors.RepositoryNotFoundError, "There is no data set lab/agreement on the hub"),
        (errors.RevisionNotFoundError, "has no revision None"),
        (errors.RemoteEntryNotFoundError, "has no file data/train.jsonl"),
        (errors.LocalEntryNotFoundError, "the hub cannot be reached"),
        (type("ConnectError", (Exception,), {}), "the hub cannot be reached"),
        (OSError, "could not be fetched from the hub: no space left"),
    ],
)
def test_what_goes_wrong_is_a_sentence(
    asked: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    said: str,
) -> None:
    def fails(*_: Any, **__: Any) -> str:
        made = error.__new__(error)
        made.args = ("no space left",)
        raise made

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fails)
    with pytest.raises(WorkbenchError) as caught:
        check_task(ADDRESS)
    assert said in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "name", ["hf://datasets/lab", "hf://lab/model/a.json", "hf://datasets/a/b"]
)
def test_an_address_of_no_file(name: str, asked: list[tuple[Any, ...]]) -> None:
    with pytest.raises(WorkbenchError, match="hf://datasets/OWNER/NAME/FILE"):
        check_task(name)
    assert not asked
