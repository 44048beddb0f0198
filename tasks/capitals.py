"""Capitals: of a country its capital, and of a capital its country.

The prompts are corrupted by another country, or another capital, of the same length in tokens; the
metric is the logit of the right answer minus the mean logit of all the others in the table.
"""

from collections.abc import Callable

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token

METRIC = "logit_diff"
COUNTRY_CAPITAL, CAPITAL_COUNTRY = "country-capital", "capital-country"
CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid",
    "Portugal": "Lisbon", "Austria": "Vienna", "Greece": "Athens", "Russia": "Moscow",
    "Japan": "Tokyo", "Iraq": "Baghdad", "Iran": "Tehran", "Egypt": "Cairo",
    "Cuba": "Havana", "Poland": "Warsaw", "Ireland": "Dublin", "Syria": "Damascus",
    "England": "London", "Sweden": "Stockholm", "Norway": "Oslo", "Denmark": "Copenhagen",
    "Finland": "Helsinki", "Hungary": "Budapest", "Belgium": "Brussels", "Ukraine": "Kiev",
    "Canada": "Ottawa", "Australia": "Canberra", "Kenya": "Nairobi", "Afghanistan": "Kabul",
    "Lebanon": "Beirut", "Turkey": "Ankara", "Peru": "Lima", "Thailand": "Bangkok",
    "Romania": "Bucharest", "Serbia": "Belgrade", "Bulgaria": "Sofia", "Venezuela": "Caracas",
    "Indonesia": "Jakarta", "Taiwan": "Taipei", "China": "Beijing", "Scotland": "Edinburgh",
    "Jordan": "Amman", "Nepal": "Kathmandu", "Colombia": "Bogota", "Libya": "Tripoli",
    "Vietnam": "Hanoi", "Philippines": "Manila",
}  # fmt: skip
"""As texts of the last decades have it; one capital a country."""
LEAST = 6
"""Countries that a task of this kind needs at least."""


def _of_country(country: str) -> str:
    return f"The capital of {country} is the city of"


def _of_capital(capital: str) -> str:
    return f"The city of {capital} is the capital of"


def _maker(
    name: str, description: str, prompt: Callable[[str], str], table: dict[str, str]
) -> Callable[[Tokenizer, int, int], Task]:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        """`n_pairs` distinct pairs.

        Raises:
            TaskError: too few of the words are tokens, or there are not so many pairs.
        """
        after = prompt(next(iter(table)))
        known = {
            a: b for a, b in table.items() if single_token(tokenizer, after, f" {b}") is not None
        }
        if len(known) < LEAST:
            raise TaskError(
                f"{name} needs {LEAST} answers that are single tokens, and this tokenizer has "
                f"{len(known)} of its table: choose another task, or write a task file."
            )
        asked = list(known)
        size = len(asked)

        def pair(number: int) -> Pair:
            place, further = digits(number, size, size - 1)
            this, other = asked[place], asked[(place + 1 + further) % size]
            right = known[this]
            return marked_pair(
                clean=prompt(role("subject", this)),
                corrupted=prompt(other),
                answers=(f" {right}",),
                wrong_answers=tuple(f" {word}" for word in known.values() if word != right),
            )

        return Task(
            name=name,
            pairs=draw_fitting(name, tokenizer, n_pairs, seed, ((size * (size - 1), pair),)),
            metric=METRIC,
            description=description,
            answer_space=tuple(f" {word}" for word in sorted(known.values())),
            notes=(f"{size} of {len(table)} answers of the table are single tokens.",),
            seed=seed,
        )

    return make


def _built_in(
    name: str, description: str, prompt: Callable[[str], str], table: dict[str, str]
) -> BuiltIn:
    this, other, *_ = table
    example = Pair(prompt(this), prompt(other), (f" {table[this]}",), (f" {table[other]}",))
    return BuiltIn(name, METRIC, description, example, _maker(name, description, prompt, table))


CAPITAL_TASKS = (
    _built_in(
        COUNTRY_CAPITAL,
        "The capital of a country: its logit minus the mean logit of the other capitals.",
        _of_country,
        CAPITALS,
    ),
    _built_in(
        CAPITAL_COUNTRY,
        "The country of a capital: its logit minus the mean logit of the other countries.",
        _of_capital,
        {capital: country for country, capital in CAPITALS.items()},
    ),
)
