"""Findings written to a file and read back, and files that are none."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import Graph
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import load_findings, save_findings
from workbench.errors import WorkbenchError

GRAPH = Graph(2, 3)


def findings(method: str = "eap") -> Findings:
    made = Findings.of(GRAPH, method, "logit_diff")
    numbers = np.random.default_rng(0)
    real = all_edges(GRAPH)
    made.edges[real] = numbers.standard_normal(int(real.sum())).astype(np.float32)
    made.edges[0, 0] = np.nan  # a method that was stopped
    return made


def everything() -> Findings:
    made = findings("atp")
    made.nodes = np.arange(GRAPH.n_sources, dtype=np.float32)
    made.positions = np.ones((GRAPH.n_sources, 5), dtype=np.float32)
    made.positions[:, 0] = np.nan
    made.neurons = {"m0": np.zeros(7, dtype=np.float32), "m1": np.ones(9, dtype=np.float32)}
    made.kept = all_edges(GRAPH) & (np.random.default_rng(1).random(made.edges.shape) < 0.5)
    made.needed, made.tried, made.complete = 0, 17, True
    made.remarks = ["One thing.", "Ein Umlaut: ä"]
    return made


@pytest.mark.parametrize("made", [findings(), everything()], ids=["little", "everything"])
def test_what_is_written_is_read(made: Findings, tmp_path: Path) -> None:
    path = tmp_path / "found.npz"
    about = {"model": "tiny", "options": {"steps": 5}, "none": None}
    save_findings(path, made, about)
    read, known = load_findings(path, GRAPH)
    assert known == about
    for name, value in vars(made).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(read, name), value)
            assert getattr(read, name).dtype == value.dtype
        elif name != "neurons":
            assert getattr(read, name) == value, name
    assert read.neurons.keys() == made.neurons.keys()
    for mlp, scores in made.neurons.items():
        np.testing.assert_array_equal(read.neurons[mlp], scores)


def test_numpy_alone_can_read_it(tmp_path: Path) -> None:
    save_findings(tmp_path / "found.npz", findings())
    with np.load(tmp_path / "found.npz", allow_pickle=False) as file:
        assert tuple(file["sources"]) == GRAPH.sources
        assert tuple(file["destinations"]) == GRAPH.destinations
        assert file["edges"].shape == (GRAPH.n_sources, GRAPH.n_destinations)
        assert json.loads(str(file["about"]))["method"] == "eap"


def refusal(path: Path, graph: Graph | None = GRAPH) -> str:
    with pytest.raises(WorkbenchError) as caught:
        load_findings(path, graph)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_no_file_a_folder_another_model(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "none.npz")
    assert "cannot be read" in refusal(tmp_path)
    assert "not a possible path" in refusal(Path("a\0b"))
    save_findings(tmp_path / "found.npz", findings())
    assert "another shape" in refusal(tmp_path / "found.npz", Graph(2, 2))
    assert load_findings(tmp_path / "found.npz")[0].graph == GRAPH


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """A file whose arrays and head were changed."""
    save_findings(path, everything())
    with np.load(path) as file:
        arrays = dict(file)
    head = json.loads(str(arrays["about"]))
    change(arrays, head)
    if "about" in arrays:
        arrays["about"] = np.array(json.dumps(head))
    np.savez(path, **arrays)
    return path


def put(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda arrays, head: arrays.__setitem__(name, value)


def say(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda arrays, head: head.__setitem__(name, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, head: arrays.pop("about"),
        lambda arrays, head: arrays.pop("edges"),
        lambda arrays, head: head.pop("method"),
        put("edges", np.zeros((3, 3), dtype=np.float32)),
        put("edges", np.zeros((GRAPH.n_sources, GRAPH.n_destinations))),
        put("nodes", np.zeros(3, dtype=np.float32)),
        put("positions", np.zeros(GRAPH.n_sources, dtype=np.float32)),
        put("kept", np.ones((GRAPH.n_sources, GRAPH.n_destinations), dtype=bool)),
        put("kept", np.zeros((GRAPH.n_sources, GRAPH.n_destinations), dtype=np.int8)),
        put("neurons/a0.h1", np.zeros(3, dtype=np.float32)),
        put("neurons/m7", np.zeros(3, dtype=np.float32)),
        say("format", "something else"),
        say("method", "no-such-method"),
        say("method", ["eap"]),
        say("graph", {"n_layers": 10**12, "n_heads": 2, "parallel": False}),
        say("graph", {"n_layers": "two", "n_heads": 2, "parallel": False}),
        say("graph", None),
        say("needed", 2),
        say("needed", True),
        say("complete", "yes"),
        say("tried", "many"),
        say("remarks", 3),
        say("about", 3),
        say("version", 2),
    ],
)
def test_what_was_not_written_by_us(
    change: Callable[[dict[str, Any], dict[str, Any]], None], tmp_path: Path
) -> None:
    refusal(rewritten(tmp_path / "found.npz", change), None)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "other"
    plain = io.BytesIO()
    np.save(plain, np.zeros(3))
    for data in (b"", b"x", b"PK\x03\x04", plain.getvalue(), b'{"format": 1}'):
        path.write_bytes(data)
        assert "damaged" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edges.npy", "no array")
    assert "damaged" in refusal(path)


class Pickled:
    """Unpickling it would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "found.npz"
    path.write_bytes(pickle.dumps(Pickled(trace)))
    refusal(path)
    np.savez(path, about=np.array([Pickled(trace)], dtype=object))
    refusal(path)
    assert not trace.exists()


def test_damage_anywhere_is_one_sentence_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "found.npz"
    save_findings(path, everything())
    whole = path.read_bytes()
    numbers = random.Random(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        if numbers.random() < 0.3:
            del data[numbers.randrange(len(data)) :]
        else:
            for _ in range(numbers.randint(1, 4)):
                data[numbers.randrange(len(data))] = numbers.randrange(256)
        path.write_bytes(bytes(data))
        try:
            load_findings(path, GRAPH)
        except WorkbenchError as error:
            refused += 1
            assert str(error).endswith(".") and "\n" not in str(error)
    assert refused > 200


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.npz"
    save_findings(path, findings(), {"first": True})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.base.write_file.os.fsync", full)
    with pytest.raises(WorkbenchError, match="disk is full"):
        save_findings(path, findings(), {"first": False})
    assert load_findings(path)[1] == {"first": True}
    assert [p.name for p in tmp_path.iterdir()] == ["found.npz"]
