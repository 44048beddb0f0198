"""Pickles that want to run something, break off or never end: refused, nothing is run."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit
from workbench.formats.plain_pickle import read_pickle

GRAPH = Graph(2, 2)
PLAIN = [
    ("a", "b"),
    {"x": [1, 2.5, None, True, False], (1, "z", (2,)): {3}},
    -5,
    10**30,
    "\u00e9\n'",
    [],
    (),
    {},
]


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_plain_is_read(protocol: int) -> None:
    assert read_pickle(pickle.dumps(PLAIN, protocol)) == PLAIN


class Runs:
    """Something that would run a command when it is loaded."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.made = call, arguments

    def __reduce__(self) -> Any:
        return self.made


def hostile(marker: Path) -> dict[str, bytes]:
    touch = f"touch {marker}"
    text = str(marker).encode()
    found = {}
    for protocol in range(6):
        found[f"system {protocol}"] = pickle.dumps(Runs(os.system, touch), protocol)
        found[f"within {protocol}"] = pickle.dumps([("a", "b"), Runs(os.system, touch)], protocol)
    found["open"] = pickle.dumps(Runs(io.open, str(marker), "w"))
    found["process"] = pickle.dumps(Runs(subprocess.getoutput, touch))
    found["eval"] = pickle.dumps(Runs(eval, f"open({str(marker)!r}, 'w')"))
    found["old instance"] = b"(cos\nsystem\nS'" + touch.encode() + b"'\no."
    found["inst"] = b"(S'" + touch.encode() + b"'\nios\nsystem\n."
    found["import alone"] = b"\x80\x04cthis\nthat\n."
    found["extension"] = b"\x80\x02\x82\x01."
    found["persistent"] = b"\x80\x02X\x01\x00\x00\x00aQ."
    found["buffer"] = b"\x80\x05\x97."
    found["set by a call"] = b"\x80\x02c__builtin__\nset\nX\x01\x00\x00\x00a\x85R."
    found["call of a text"] = b"\x80\x02X\x06\x00\x00\x00systemX" + bytes([len(text), 0, 0, 0])
    found["call of a text"] += text + b"\x85R."
    found["slice made to run"] = b"\x80\x02cbuiltins\nslice\ncos\nsystem\n\x85R."
    return found


@pytest.mark.parametrize("case", [*hostile(Path("x"))])
def test_nothing_is_run(case: str, tmp_path: Path) -> None:
    marker = tmp_path / "was-run"
    path = tmp_path / "edges.pkl"
    path.write_bytes(hostile(marker)[case])
    with pytest.raises(WorkbenchError) as caught:
        load_circuit(path, GRAPH)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.isprintable() and len(sentence) < 400
    assert not marker.exists()


def nest(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def doubled(times: int, end: bytes) -> bytes:
    """t = (t, t), again and again: small to write, for ever to hash."""
    return b"\x80\x02K\x01q\x00" + b"".join(b"h\x00\x86q\x00" for _ in range(times)) + end


SLOW = {
    "deep lists": nest(500_000),
    "deep tuples as a key": b"\x80\x02}" + b"K\x01" + b"\x85" * 500_000 + b"K\x01s.",
    "doubled tuples as a key": doubled(64, b"q\x01}h\x01K\x01s."),
    "doubled tuples in a set": doubled(64, b"q\x01\x8f(h\x01\x90."),
    "a number without end": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "a long number": b"\x80\x02\x8b\x00\x00\x01\x00" + b"\x01" * 65536 + b".",
    "a text that is not there": b"\x80\x02X\xff\xff\xff\x7fa.",
    "a text of eight bytes' length": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fa.",
    "a frame without end": b"\x80\x04\x95" + b"\xff" * 8 + b"]",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "marks": b"\x80\x02" + b"(" * 100_000 + b".",
    "nothing on the stack": b"\x80\x02a.",
    "no end": b"\x80\x02]",
    "digits": b"\x80\x02I" + b"9" * 100_000 + b"\n.",
    "unknown memo": b"\x80\x02h\x05.",
}


@pytest.mark.parametrize("case", SLOW)
def test_none_takes_long(case: str, tmp_path: Path) -> None:
    path = tmp_path / "edges.pkl"
    path.write_bytes(SLOW[case])
    started = time.monotonic()
    with pytest.raises(WorkbenchError):
        load_circuit(path, GRAPH)
    assert time.monotonic() - started < 5


def test_any_damage_is_refused_in_a_sentence_or_read(tmp_path: Path) -> None:
    edges = [("blocks.0.attn.hook_result[1]", "blocks.1.hook_mlp_out"), ("m1", "logits")]
    whole = pickletools.optimize(pickle.dumps(edges, 4))
    chance = random.Random(0)
    path = tmp_path / "edges.pkl"
    read = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            load_circuit(path, GRAPH)
            read += 1
        except WorkbenchError as error:
            assert "\n" not in str(error) and str(error).isprintable()
    assert read < 300
