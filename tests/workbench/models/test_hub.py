"""Models of the hub, from a hub of our own on the loopback address, in a process of its own: the
client reads the hub's address when it is imported."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.tiny_models import tiny_gpt2

pytestmark = [pytest.mark.dependencies, pytest.mark.slow]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves folders as models. `asked`: the paths that were asked for, in order."""

    def __init__(self, models: dict[str, Path]) -> None:
        self.models = models
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.server.asked.append(self.path)
        path = self.path.split("?")[0].removeprefix("/")
        if path.startswith("api/models/"):
            rest = path.removeprefix("api/models/")
            name, _, rest = rest.partition("/revision/") if "/revision/" in rest else (rest, "", "")
            tree = name.partition("/tree/")
            name, revision = tree[0], tree[2] or rest
        else:
            name, _, rest = path.partition("/resolve/")
            revision, _, file = rest.partition("/")
        if name == "owner/gated":
            self._refuse(403, "GatedRepo")
        elif name not in self.server.models:
            self._refuse(401, "RepoNotFound")
        elif revision not in ("", "main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif path.startswith("api/") and tree[1]:
            self._json([self._entry(f) for f in self._files(name)], body)
        elif path.startswith("api/"):
            siblings = [{"rfilename": f.name} for f in self._files(name)]
            self._json({"id": name, "sha": COMMIT, "siblings": siblings}, body)
        elif not (self.server.models[name] / file).is_file():
            self._refuse(404, "EntryNotFound")
        else:
            data = (self.server.models[name] / file).read_bytes()
            etag = hashlib.sha1(data).hexdigest()
            self._send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)

    def _files(self, name: str) -> list[Path]:
        return sorted(self.server.models[name].iterdir())

    def _entry(self, file: Path) -> dict[str, Any]:
        blob = hashlib.sha1(file.read_bytes()).hexdigest()
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": blob}

    def _json(self, value: Any, body: bool) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code}, True)

    def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    tiny = tmp_path_factory.mktemp("tiny")
    model, tokenizer = tiny_gpt2()
    model.save_pretrained(tiny)
    tokenizer.save_pretrained(tiny)
    (tiny / "README.md").write_text("not to be fetched")
    (tiny / "tf_model.h5").write_bytes(b"not to be fetched")
    bert = tmp_path_factory.mktemp("bert")
    (bert / "config.json").write_text('{"model_type": "bert"}')
    (bert / "model.safetensors").write_bytes(b"not to be fetched")
    empty = tmp_path_factory.mktemp("empty")
    (empty / "README.md").write_text("nothing here")
    ggufs = tmp_path_factory.mktemp("ggufs")
    (ggufs / "model.gguf").write_bytes(b"GGUF")
    models = {"owner/tiny": tiny, "owner/bert": bert, "owner/empty": empty, "owner/ggufs": ggufs}
    server = Hub(models)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


SCRIPT = """
import json, sys
from workbench.errors import WorkbenchError
from workbench.models.model import load_model
out = []
for name, revision in json.loads(sys.argv[1]):
    told = []
    say = lambda *step: told.append(step)
    try:
        model = load_model(name, revision=revision, device="cpu", progress=say)
        out.append({"layers": model.info.layers, "where": model.info.where, "told": told})
    except WorkbenchError as error:
        out.append({"error": str(error)})
print(json.dumps(out))
"""


def load(url: str, home: Path, *asked: tuple[str, str | None]) -> list[dict[str, Any]]:
    """Load models in a process that knows the hub under `url` and keeps downloads in `home`."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return list(json.loads(result.stdout))


def test_a_model_is_fetched_once_and_then_found_without_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.asked.clear()
    first, second = load(hub.url, tmp_path, ("owner/tiny", None), ("owner/tiny", None))
    assert first["layers"] == 2
    assert first["where"] == "hub"
    fetched = [told for told in first["told"] if told[0].startswith("Fetching")]
    assert fetched and fetched[-1][1] == 1.0
    assert second["layers"] == 2
    assert not any(told[0].startswith(("Fetching", "Asking")) for told in second["told"])
    assert not any("README" in path or ".h5" in path for path in hub.asked)

    hub.asked.clear()
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing listens
    (offline,) = load(nowhere, tmp_path, ("owner/tiny", None))
    assert offline["layers"] == 2
    assert hub.asked == []


def test_what_the_hub_refuses(hub: Hub, tmp_path: Path) -> None:
    hub.asked.clear()
    answers = load(
        hub.url,
        tmp_path,
        ("owner/none", None),
        ("owner/gated", None),
        ("owner/tiny", "no-such-branch"),
        ("owner/bert", None),
        ("owner/empty", None),
        ("owner/ggufs", None),
    )
    errors = [answer["error"] for answer in answers]
    assert "There is no model 'owner/none'" in errors[0]
    assert "gated" in errors[1]
    assert "no revision 'no-such-branch'" in errors[2]
    assert "encoder model" in errors[3]
    assert "no weights" in errors[4]
    assert "name the file" in errors[5]
    # An encoder is refused before its weights travel.
    assert not any("safetensors" in path for path in hub.asked)


def test_no_network(tmp_path: Path) -> None:
    (answer,) = load("http://127.0.0.1:9", tmp_path, ("owner/tiny", None))
    assert "hub cannot be reached" in answer["error"]


def test_a_download_that_broke_off_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    load(hub.url, tmp_path, ("owner/tiny", None))
    (weights,) = (tmp_path / "hf").rglob("snapshots/*/model.safetensors")
    weights.resolve().unlink()
    weights.unlink()
    (again,) = load(hub.url, tmp_path, ("owner/tiny", None))
    assert again["layers"] == 2
