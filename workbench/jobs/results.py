"""What a job of a session found, in its folder, for the session to read.

A discovery's result lies beside the job's copy of the journal, as a session keeps it. Importing
this loads no torch.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.base.kept_values import kept_text, value_of
from workbench.base.write_file import write_bytes
from workbench.circuits.graph import Graph
from workbench.discovery.clusters.files import FILE
from workbench.errors import WorkbenchError
from workbench.jobs.folder import JobFolder, disk_errors
from workbench.session.result_files import ResultFiles
from workbench.session.results import DiscoveryResult

if TYPE_CHECKING:
    from workbench.discovery.clusters.find import Clusters
    from workbench.discovery.clusters.run import PromptClusters

PARTS_ROOM, CLUSTERS_ROOM = "workbench.assessment.results", "workbench.discovery.clusters"
"""Where the classes of what is found stand."""


def write_part(folder: JobFolder, name: str, result: Any, seconds: float) -> None:
    """Keep what a part of an assessment found.

    Raises:
        NotKept: it is of a kind that cannot be kept.
        WorkbenchError: it cannot be written.
    """
    write_bytes(folder.path / f"part-{name}.json", kept_text((result, seconds)).encode())


def read_part(folder: JobFolder, name: str) -> tuple[Any, float] | None:
    """What a part found, and the seconds that it took; None if it found nothing yet."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        text = (folder.path / f"part-{name}.json").read_text("utf-8")
        result, seconds = value_of(text, PARTS_ROOM)
        return result, float(seconds)
    return None


def write_clusters(folder: JobFolder, found: PromptClusters) -> None:
    """Keep clusters: their circuits as circuit files, and all else, which is written last."""
    circuits = folder.path / "clusters"
    with disk_errors(folder.path):
        circuits.mkdir(mode=0o700, exist_ok=True)
        for path in circuits.iterdir():
            path.unlink()
    found.save(circuits)
    made = found.clusters
    bare = tuple(replace(one, circuit=None) for one in made.clusters)  # type: ignore[arg-type]
    text = kept_text(replace(made, clusters=bare))
    write_bytes(folder.path / "clusters.json", text.encode())


def read_clusters(folder: JobFolder, graph: Graph) -> Clusters | None:
    """Clusters as they were found; None if there are none yet.

    Raises:
        WorkbenchError: a circuit cannot be read, or is another model's.
    """
    from workbench.formats import load_circuit

    try:
        text = (folder.path / "clusters.json").read_text("utf-8")
        made: Clusters = value_of(text, CLUSTERS_ROOM)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise WorkbenchError(f"The clusters of the job {folder.id} are damaged.") from None
    whole = []
    for number, one in enumerate(made.clusters, start=1):
        circuit = load_circuit(folder.path / "clusters" / FILE.format(number), graph)
        whole.append(replace(one, circuit=replace(circuit, provenance={})))
    return replace(made, clusters=tuple(whole))


def read_discovery(folder: JobFolder, graph: Graph) -> DiscoveryResult | None:
    """What a method found; None if it found nothing yet."""
    results, _ = ResultFiles(folder.journal).load(graph)
    return results[-1] if results else None
