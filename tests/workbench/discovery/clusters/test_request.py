"""What is asked of a clustering: checked before anything is loaded, and the same by keywords."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.workbench.discovery.clusters.test_clusters import mixed, pocket
from workbench import cluster_prompts
from workbench.base.work import finish
from workbench.discovery.clusters.request import ClusterChoices, ClusterRequest
from workbench.discovery.clusters.run import clusters_of
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch

ASKED: dict[str, Any] = {
    "edges": 40,
    "steps": 2,
    "signed": True,
    "k": 2,
    "by": "gap",
    "algorithm": "average-linkage",
    "normalise": True,
    "splits": 1,
    "by_role": False,
}


def test_every_field_is_a_keyword() -> None:
    assert {field.name for field in fields(ClusterRequest)} == {
        *ClusterChoices.__annotations__,
        "method",
    }
    assert set(ASKED) == set(ClusterChoices.__annotations__)


def test_keywords_ask_for_what_the_request_holds() -> None:
    found = cluster_prompts(pocket(), mixed(), "eap-ig", **ASKED, seed=3, metric="logit_diff")
    experiment = Experiment(pocket(), make_batch(mixed(), pocket().tokenizer), metric="logit_diff")
    request = ClusterRequest("eap-ig", **ASKED).checked(metric="logit_diff", ablation="patching")
    by_hand = finish(clusters_of(experiment, request, 3))
    assert found.clusters.to_json() == by_hand.clusters.to_json()
    assert (found.options, found.selection) == (by_hand.options, by_hand.selection)
    assert (found.options.steps, found.options.seed, found.selection.signed) == (2, 3, True)
    assert len(found.clusters.clusters) == 2 and len(found.clusters.control) == 1


def test_no_other_keyword_is_taken() -> None:
    with pytest.raises(TypeError, match="colour"):
        cluster_prompts(pocket(), mixed(), colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"method": "acdc"}, "acdc does not score the edges of single prompts"),
        ({"method": "nothing"}, "nothing"),
        ({"edges": 0}, "1 or more"),
        ({"k": 0}, "1 or more, not 0"),
        ({"by": "taste"}, "no criterion 'taste'"),
        ({"algorithm": "guess"}, "no way of clustering 'guess'"),
        ({"method": "eap", "steps": 3}, "eap does not heed --steps"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WorkbenchError, match=sentence):
        ClusterRequest(**asked).checked(metric=None, ablation="patching")


def test_a_metric_that_changes_in_steps_has_no_slope() -> None:
    with pytest.raises(WorkbenchError, match="changes in steps"):
        cluster_prompts(pocket(), mixed(), edges=40, metric="accuracy")
