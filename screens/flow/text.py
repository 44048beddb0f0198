"""What was found of the flow between tokens, in words and numbers, as lines of a width."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from screens.base.numbers import digits_for, plain, signed
from screens.base.prose import heading, number, prose
from screens.base.tokens import show_token
from workbench.flow.results import AllForOne, KnockoutMap


def tell(result: AllForOne | KnockoutMap, row: int, width: int) -> Text:
    """All that was found, the row under the cursor in numbers."""
    if isinstance(result, KnockoutMap):
        return Text("\n").join(_knockout(result, row, width))
    return Text("\n").join(_all_for_one(result, row, width))


def _all_for_one(result: AllForOne, row: int, width: int) -> Iterator[Text]:
    yield from prose(result.headline, width, "bold")
    yield Text()
    yield number("pairs", str(result.n_right), f"answered rightly, of {result.n_pairs}", width)
    yield number("means over", str(result.n_prompts), "prompts", width)
    base = plain(result.base.metric, digits_for(abs(result.base.metric)))
    yield number(result.metric_name, base, "of the model on these", width)
    yield Text()
    yield heading(f"First layer {row}")
    cells = list(enumerate(zip(result.accuracy[row], result.metric[row], strict=True)))
    peeked = [(str(n), accuracy, metric) for n, (accuracy, metric) in cells]
    free = result.waiting[row]
    peeked.append(("free", free.accuracy, free.metric))
    yield Text(f"{'layers':<8}{'accuracy':>9}{result.metric_name:>12}", "dim")
    for name, accuracy, metric in peeked:
        if accuracy is not None and metric is not None:
            digits = digits_for(abs(result.base.metric))
            yield Text(f"{name:<8}{plain(accuracy, 3):>9}{plain(metric, digits):>12}")
    yield from _needed(result)
    for remark in result.remarks:
        yield Text()
        yield from prose(remark, width)
    yield Text()
    yield from prose(result.definition, width, "dim")


def _needed(result: AllForOne) -> Iterator[Text]:
    if not result.necessary:
        return
    yield Text()
    yield heading("Without one layer or head")
    layers = [one for one in result.necessary if one.head is None]
    heads = [one for one in result.necessary if one.head is not None]
    heads.sort(key=lambda one: one.score.of(result.measure))
    for one in (*layers, *heads):
        value = one.score.of(result.measure)
        digits = 3 if result.measure == "accuracy" else digits_for(abs(result.base.metric))
        said = "needed" if one.needed else "can be spared"
        yield Text(f"{one.name:<10}{plain(value, digits):>10}  {said}")


def _knockout(result: KnockoutMap, row: int, width: int) -> Iterator[Text]:
    yield from prose(result.headline, width, "bold")
    yield Text()
    yield number("accuracy", plain(result.base.accuracy, 3), "of the model", width)
    base = plain(result.base.metric, digits_for(abs(result.base.metric)))
    yield number(result.metric_name, base, "of the model", width)
    yield Text()
    whole = row >= len(result.positions)
    effects = result.all_others if whole else result.effect[row]
    right = None if whole else result.accuracy[row]
    if whole:
        yield heading("All but the first and itself")
    else:
        pairs = f"{result.n_at[row]} pairs" if result.pair is None else "this pair"
        token = show_token(result.tokens[row], 20)
        yield heading(f"{token}, position {result.positions[row]}, {pairs}")
    yield Text(f"{'layer':<8}{'change':>12}{'' if whole else 'accuracy':>10}", "dim")
    for layer, effect in enumerate(effects):
        digits = digits_for(abs(result.base.metric))
        accuracy = "" if right is None else plain(right[layer], 3)
        yield Text(f"{layer:<8}{signed(effect, digits):>12}{accuracy:>10}")
    yield Text()
    yield from prose(result.definition, width, "dim")
