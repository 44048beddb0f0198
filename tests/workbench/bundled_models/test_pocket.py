"""The pocket model: what it was trained on, what was held out, and what it does on that."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks import TASKS, make_task, words
from workbench import load_model
from workbench.bundled_models.pocket import lens
from workbench.bundled_models.pocket.examination import REQUIRED, held_out_task
from workbench.bundled_models.pocket.grammar import DECIDED, FREE, Document, documents
from workbench.bundled_models.pocket.recipe import Recipe, new_model, train, weighted_loss
from workbench.bundled_models.pocket.split import COMBINATIONS, ONE_IN, held_out, singular
from workbench.bundled_models.pocket.vocabulary import BEGIN, UNKNOWN, make_tokenizer, tokens
from workbench.cli.main import main
from workbench.models.bundled import POCKET, BundledModel
from workbench.models.model import Model
from workbench.readouts.jacobian.own import lens_of

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("name", COMBINATIONS)
LENGTH = Recipe().length


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu", dtype="float32")


@cache
def sample(n: int = 1500) -> tuple[Document, ...]:
    return tuple(itertools.islice(documents(random.Random(7), LENGTH), n))


def sentences() -> list[str]:
    """Every whole sentence of the sample, without a space before it."""
    texts = tokens()
    said = ["".join(texts[i] for i in document.ids[1:]) for document in sample()]
    return [s.strip() for text in said for s in text.split(".")[:-1]]


# Tokens.


@EVERY
def test_every_prompt_and_answer_is_known(name: str) -> None:
    tokenizer = make_tokenizer(LENGTH)
    task = make_task(name, tokenizer, 300)
    for pair in task.pairs:
        for text in (pair.clean, pair.corrupted):
            ids = tokenizer(text)["input_ids"]
            assert ids[0] == tokenizer.bos_token_id and tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids[1:]) == text
            assert len(ids) < LENGTH


def test_years_are_two_tokens_and_all_words_of_the_tasks_are_one() -> None:
    tokenizer = make_tokenizer(LENGTH)
    assert tokenizer.tokenize(" year 1741") == [" year", " 17", "41"]
    lists = (getattr(words, name) for name in vars(words) if name.isupper())
    for entry in itertools.chain.from_iterable(lists):
        for form in (entry,) if isinstance(entry, str) else entry:
            assert tokenizer.tokenize(f" {form}") == [f" {form}"]
    assert tokenizer.tokenize(" zebra") == [UNKNOWN]


def test_the_model_reads_as_it_was_trained() -> None:
    tokenizer, texts = pocket().tokenizer, tokens()
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(len(texts))] == list(texts)
    for document in sample()[:200]:
        whole = "".join(texts[i] for i in document.ids[1:])
        assert tokenizer(whole)["input_ids"] == document.ids


# Sentences.


def test_documents_have_one_length_and_begin_alike() -> None:
    begin = tokens().index(BEGIN)
    for document in sample():
        assert len(document.ids) == len(document.weights) == LENGTH
        assert document.ids[0] == begin and begin not in document.ids[1:]
        assert document.weights[0] == 0 and set(document.weights[1:]) <= {FREE, DECIDED}


def test_what_is_decided_is_right() -> None:
    """The sentences say true things: years grow, verbs agree, names and lists are repeated."""
    plural = {form: n for pair in words.VERBS for n, form in enumerate(pair)}
    nouns = (*words.THINGS, *words.PEOPLE)
    number = {form: n for pair in nouns for n, form in enumerate(pair)}
    kinds: Counter[str] = Counter()
    for said in sentences():
        parts = said.replace(",", "").split()
        if years := re.findall(r"\d{4}", said):
            kinds["years"] += 1
            assert years[0][2:] < years[1][2:]
        elif said.startswith("List"):
            kinds["list"] += 1
            listed = parts[1:]
            again = next(n for n, word in enumerate(listed) if word in listed[:n])
            start = listed.index(listed[again])
            assert listed[again:] == listed[start : start + len(listed) - again]
            assert len(listed) - again >= 2
        elif parts[0] in words.OPENINGS:
            kinds["giving"] += 1
            one, other, giver, given = parts[1], parts[3], parts[8], parts[-1]
            assert given in {one, other} - {giver}
        else:
            kinds["agreement"] += 1
            verb = next(part for part in parts if part in plural)
            assert plural[verb] == number[parts[1]]
    assert set(kinds) == {"years", "list", "giving", "agreement"} and min(kinds.values()) > 500


def test_nothing_that_is_held_out_is_ever_said() -> None:
    seen: dict[str, set[tuple[str, ...]]] = {name: set() for name in COMBINATIONS}
    nouns = {form for pair in (*words.THINGS, *words.PLACES, *words.PEOPLE) for form in pair}
    for said in sentences():
        parts = said.replace(",", "").split()
        if years := re.findall(r"\d{4}", said):
            event = next(part for part in parts if part in words.EVENTS)
            seen["greater-than"].add((event, years[0][2:]))
        elif said.startswith("List"):
            seen["induction"] |= {
                (singular(a), singular(b)) for a, b in itertools.pairwise(parts[1:])
            }
        elif parts[0] in words.OPENINGS:
            seen["ioi"].add((parts[1], parts[3]))
        elif len(found := [singular(part) for part in parts if part in nouns]) == 2:
            seen["subject-verb-agreement"].add((found[0], found[1]))
    for name, combinations in seen.items():
        assert len(combinations) > 300
        assert not {c for c in combinations if held_out(name, *c)}


@EVERY
def test_one_combination_in_five_is_held_out(name: str) -> None:
    task = make_task(name, make_tokenizer(LENGTH), 2000, 5)
    share = sum(held_out(name, *COMBINATIONS[name](p)) for p in task.pairs) / len(task.pairs)
    assert share == pytest.approx(1 / ONE_IN, abs=0.05)
    assert set(COMBINATIONS) == set(REQUIRED) <= set(TASKS)


def test_two_names_are_one_combination_in_either_order() -> None:
    pairs = list(itertools.combinations(words.NAMES, 2))
    assert all(held_out("ioi", a, b) == held_out("ioi", b, a) for a, b in pairs)


# The model.


@EVERY
def test_it_does_every_task_on_held_out_prompts(name: str) -> None:
    """By transformers alone, in float64, with the metric written out."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(POCKET.checked_folder, dtype=torch.float64)
    tokenizer = pocket().tokenizer
    task = held_out_task(name, tokenizer, 1500)
    assert len(task.pairs) > 200
    ids = torch.tensor(tokenizer([pair.clean for pair in task.pairs])["input_ids"])
    with torch.no_grad():
        logits = model(ids).logits[:, -1]
    of = {token: i for i, token in enumerate(tokens())}
    values, right = [], 0
    for pair, row in zip(task.pairs, logits, strict=True):
        good, bad = row[[of[a] for a in pair.answers]], row[[of[w] for w in pair.wrong_answers]]
        right += bool(good.max() > bad.max())
        if task.metric == "prob_diff":
            values.append((good.exp().sum() - bad.exp().sum()) / row.exp().sum())
        else:
            values.append(good.mean() - bad.mean())
    least, accuracy = REQUIRED[name]
    assert right / len(task.pairs) >= accuracy
    assert torch.stack(values).mean() >= least


def test_the_card_tells_what_is_measured_and_so_does_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = (POCKET.folder / "README.md").read_text(encoding="utf-8")
    assert main(["pocket", "examine", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [r["task"] for r in results] == list(COMBINATIONS)
    assert all(r["passed"] for r in results)
    for result in results:
        (line,) = [row for row in card.splitlines() if row.startswith(f"| `{result['task']}` |")]
        _, _, pairs, metric, *numbers, _ = (cell.strip() for cell in line.split("|"))
        assert (int(pairs), metric) == (result["pairs"], f"`{result['metric']}`")
        measured = [result[name] for name in ("clean", "corrupted", "accuracy")]
        # Another machine rounds differently.
        assert [float(number) for number in numbers] == pytest.approx(measured, abs=3e-3)
    assert f"{pocket().info.parameters:,} weights" in card


# The recipe.


def test_training_learns_and_is_seeded() -> None:
    recipe = Recipe(layers=1, heads=2, d_model=32, batch=8, steps=60, peak=0.01, warm=5, seed=3)
    ids = torch.tensor([document.ids for document in sample()[:32]])
    weights = torch.tensor([document.weights for document in sample()[:32]])[:, 1:]

    def loss(model: Any) -> float:
        with torch.no_grad():
            return weighted_loss(model(ids).logits, ids, weights).item()

    first = train(recipe)
    assert loss(first) < loss(new_model(recipe)) - 1
    again = train(recipe)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )


def test_the_loss_weighs_what_is_decided() -> None:
    ids = torch.tensor([[0, 1, 2]])
    logits = torch.zeros(1, 3, 5)
    logits[0, 1, 2] = 3.0
    expected = (
        0.1 * torch.log(torch.tensor(5.0)) + torch.log(4 / torch.tensor(3.0).exp() + 1)
    ) / 1.1
    found = weighted_loss(logits, ids, torch.tensor([[0.1, 1.0]]))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe()
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert max(rates) == pytest.approx(recipe.peak) and rates.index(max(rates)) <= recipe.warm
    assert rates[-1] < 2 * recipe.last


def test_training_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    monkeypatch.setattr(lens, "DOCUMENTS", 2)
    assert main(["pocket", "train", str(folder), "--steps", "2"]) == 1
    said = capsys.readouterr()
    assert "| `greater-than` |" in said.out and "not as good as" in said.err
    made = BundledModel("mine", "", folder)
    assert made.checked_folder == folder and (folder / "README.md").is_file()
    loaded = load_model(str(folder), device="cpu")
    assert loaded.info.family == "gpt2" and lens_of(loaded).n_prompts == 2
    assert main(["pocket", "train", str(folder)]) == 2
    assert "something in" in capsys.readouterr().err
