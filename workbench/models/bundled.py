"""The models that come inside the package. No torch.

Each lies in a folder in transformers' format under `workbench/data`, beside a list of its files'
digests: a file that an interrupted installation or a full disk spoilt is said before it is read.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from workbench.errors import WorkbenchError

FOLDER = Path(__file__).parents[1] / "data"
DIGESTS = "digests.json"
WANTED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""What a model cannot be without."""
CIRCUIT = "circuit.json"
"""The true circuit, in the folder of a model that has one."""
REINSTALL = "install the workbench again (pip install --force-reinstall --no-deps)"


class BundledModel:
    """A model inside the package.

    Attributes:
        name: what it is called.
        description: for lists.
        folder: where it lies.
        circuit_of: the task for which its true circuit is known and lies beside the weights, in our
            own format; None if it is not known.

    Glossary: docs/glossary.md#bundled-models.
    """

    def __init__(
        self,
        name: str,
        description: str,
        folder: Path | None = None,
        *,
        circuit_of: str | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.folder = folder or FOLDER / name
        self.circuit_of = circuit_of

    @property
    def circuit(self) -> Path | None:
        """The file with its true circuit; None if that is not known or not there."""
        path = self.folder / CIRCUIT
        return path if self.circuit_of is not None and path.is_file() else None

    @property
    def ready(self) -> bool:
        """Whether it seems to be there; `checked_folder` finds out."""
        return (self.folder / DIGESTS).is_file()

    @property
    def note(self) -> str:
        """For lists: what it is, or what is wrong."""
        return self.description if self.ready else f"missing: {REINSTALL}"

    @property
    def present_folder(self) -> Path:
        """The folder, if all files are there: quick enough to be asked before anything is shown.

        Raises:
            WorkbenchError: a file is missing.
        """
        for name in (DIGESTS, *WANTED):
            if not (self.folder / name).is_file():
                raise self._broken(f"{name} is missing")
        return self.folder

    @cached_property
    def checked_folder(self) -> Path:
        """The folder, once every file in it was found to be what was packed; looked at once.

        Raises:
            WorkbenchError: a file is missing or is not what it was.
        """
        try:
            digests = json.loads((self.folder / DIGESTS).read_text(encoding="utf-8"))
            names = {**dict.fromkeys(WANTED), **digests}
            spoilt = [name for name in names if digest(self.folder / name) != digests[name]]
        except FileNotFoundError as error:
            raise self._broken(f"{Path(error.filename).name} is missing") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._broken(f"its files cannot be read ({error})") from None
        if spoilt:
            raise self._broken(f"{spoilt[0]} is damaged")
        return self.folder

    def _broken(self, what: str) -> WorkbenchError:
        return WorkbenchError(
            f"The model {self.name}, which comes with the workbench, is not whole: {what}; "
            f"{REINSTALL}."
        )


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_digests(folder: Path) -> None:
    """Write down what lies in a folder, so that a damage shows."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors"))
    made = {file.name: digest(file) for file in files if file.name != DIGESTS}
    (folder / DIGESTS).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


POCKET = BundledModel(
    "pocket", "4 layers of 4 heads, trained on four of the tasks; comes with the workbench"
)
SUMS = BundledModel(
    "sums", "4 layers of 4 heads, trained on sums below 100 (mental-math); comes with the workbench"
)
KNOWN = BundledModel(
    "known",
    "3 layers written by hand, whose circuit for induction is known; comes along",
    circuit_of="induction",
)
