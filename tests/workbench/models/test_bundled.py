"""Models inside the package load like any folder, and what is damaged is said in a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench import load_model
from workbench.errors import WorkbenchError
from workbench.models.bundled import KNOWN, POCKET, SUMS, BundledModel
from workbench.models.source import SHORT_NAMES, find_model

BUNDLED = pytest.mark.parametrize("name", [POCKET.name, KNOWN.name, SUMS.name])
MOST_BYTES = 8 * 2**20


def copied(tmp_path: Path) -> BundledModel:
    shutil.copytree(KNOWN.folder, tmp_path / "known")
    return BundledModel("known", "", tmp_path / "known")


def complaint(model: BundledModel) -> str:
    with pytest.raises(WorkbenchError) as caught:
        _ = model.checked_folder
    said = str(caught.value)
    assert said.startswith("The model known, which comes with the workbench, is not whole: ")
    assert "install the workbench again" in said and said.endswith(".") and "\n" not in said
    return said


@BUNDLED
def test_it_is_whole_small_and_found_by_its_name(name: str) -> None:
    source, bundled = find_model(name), SHORT_NAMES[name]
    assert isinstance(bundled, BundledModel)
    assert source.kind == "folder" and source.path == bundled.folder
    files = list(source.path.iterdir())
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        file.name for file in files
    }
    assert SHORT_NAMES[name].ready and SHORT_NAMES[name].note == SHORT_NAMES[name].description


@BUNDLED
def test_the_engine_meets_it(name: str) -> None:
    info = load_model(name, device="cpu").info
    assert (info.name, info.family, info.bos) == (name, "gpt2", True)
    assert info.check_difference < 2e-5


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file(tmp_path: Path, file: str) -> None:
    model = copied(tmp_path)
    (model.folder / file).unlink()
    assert f"{file} is missing" in complaint(model)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file(tmp_path: Path, file: str) -> None:
    model = copied(tmp_path)
    data = bytearray((model.folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (model.folder / file).write_bytes(data)
    assert f"{file} is damaged" in complaint(model)


def test_a_cut_off_file(tmp_path: Path) -> None:
    model = copied(tmp_path)
    weights = model.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "model.safetensors is damaged" in complaint(model)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"', "3", '{"config.json": 3}', "\xff"])
def test_a_damaged_list_of_digests(tmp_path: Path, text: str) -> None:
    model = copied(tmp_path)
    (model.folder / "digests.json").write_bytes(text.encode("latin-1"))
    complaint(model)


def test_no_folder_at_all(tmp_path: Path) -> None:
    model = BundledModel("known", "", tmp_path / "nowhere")
    complaint(model)
    assert not model.ready and model.note.startswith("missing: install")


def test_a_missing_file_is_said_before_anything_is_read(tmp_path: Path) -> None:
    model = copied(tmp_path)
    assert model.present_folder == model.folder
    (model.folder / "config.json").write_text("{}")
    assert model.present_folder == model.folder, "what is damaged is found when it is read"
    (model.folder / "tokenizer.json").unlink()
    with pytest.raises(WorkbenchError, match=r"tokenizer\.json is missing"):
        _ = model.present_folder


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_text("{}")])
def test_loading_and_preview_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    from workbench.prompts.preview import preview_task

    model = copied(tmp_path)
    spoil(model.folder / "tokenizer.json")
    monkeypatch.setitem(SHORT_NAMES, "known", model)
    for use in (lambda: load_model("known"), lambda: preview_task("known", "induction")):
        with pytest.raises(WorkbenchError, match="install the workbench again"):
            use()


def test_the_command_line_says_it_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workbench.cli.main import main

    model = copied(tmp_path)
    (model.folder / "model.safetensors").unlink()
    monkeypatch.setitem(SHORT_NAMES, "known", model)
    assert main(["pocket", "examine", "known"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "model.safetensors is missing" in said
