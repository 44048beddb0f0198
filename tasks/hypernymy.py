"""Hypernymy: "roses and other" is continued by what roses are, "flowers".

Every kind has the words that name it, and no example of one kind is one of another.  The metric is
the probability of the kind's words minus that of all other kinds' words; the corrupted prompt has
an example of another kind.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token

NAME = "hypernymy"
METRIC = "prob_diff"
DESCRIPTION = (
    "What kind of thing something is: the probability of the words for its kind minus that of the "
    "words for other kinds."
)
EXAMPLE = Pair(
    clean="They sold roses and other",
    corrupted="They sold apples and other",
    answers=(" flowers",),
    wrong_answers=(" fruits", " vehicles"),
)
KINDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("fruits", "fruit"),
     ("apples", "oranges", "grapes", "bananas", "peaches", "cherries", "lemons", "strawberries")),
    (("vegetables", "veggies"),
     ("carrots", "onions", "potatoes", "beans", "peas", "cabbage", "spinach", "lettuce")),
    (("animals", "mammals", "creatures"),
     ("dogs", "cats", "horses", "cows", "lions", "tigers", "bears", "wolves", "elephants",
      "rabbits", "monkeys", "goats", "pigs", "sheep")),
    (("vehicles",), ("cars", "trucks", "buses", "trains", "boats", "vans")),
    (("furniture", "furnishings"), ("chairs", "tables", "beds", "sofas", "desks", "couches")),
    (("instruments",), ("guitars", "drums", "violins", "flutes", "pianos", "trumpets")),
    (("clothes", "clothing", "garments"),
     ("shirts", "pants", "jackets", "dresses", "coats", "shoes", "socks", "gloves")),
    (("weapons", "arms"), ("guns", "rifles", "swords", "bombs", "missiles", "pistols")),
    (("flowers",), ("roses", "tulips", "lilies", "daisies", "orchids")),
    (("gems", "jewels", "gemstones", "stones"), ("diamonds", "rubies", "pearls", "emeralds")),
    (("diseases", "illnesses", "conditions"),
     ("cancer", "diabetes", "malaria", "asthma", "influenza", "tuberculosis")),
    (("metals", "materials"), ("iron", "copper", "steel", "aluminum", "zinc", "nickel")),
    (("relatives", "family"), ("uncles", "aunts", "cousins", "grandparents")),
)  # fmt: skip
"""The words of a kind, each of which holds for all its examples and for none of another kind."""
STARTS = (
    "They sold", "We saw", "She drew", "He wrote about", "They talked about", "The book is about",
    "I know a lot about", "We learned about",
)  # fmt: skip


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    if single_token(tokenizer, "and", " other") is None:
        raise TaskError(f"{NAME} needs the word other as a single token: choose another task.")
    kinds = []
    for words, examples in KINDS:
        spoken = [f" {word}" for word in words]
        known = [word for word in spoken if single_token(tokenizer, "other", word) is not None]
        if known:
            kinds += [(tuple(known), example) for example in examples]
    fitting = whole(NAME, "examples", tokenizer, [example for _, example in kinds], "about", 6)
    kinds = [(words, example) for words, example in kinds if example in fitting]
    named = list(dict.fromkeys(words for words, _ in kinds))
    if len(named) < 3:
        raise TaskError(f"{NAME} needs three kinds with single-token words: choose another task.")
    size = len(kinds)

    def pair(number: int) -> Pair | None:
        start, this, other = digits(number, len(STARTS), size, size)
        (words, example), (others, counter) = kinds[this], kinds[other]
        if words == others:
            return None
        return marked_pair(
            clean=f"{STARTS[start]} {role('example', example)} and other",
            corrupted=f"{STARTS[start]} {counter} and other",
            answers=words,
            wrong_answers=tuple(word for kind in named if kind != words for word in kind),
        )

    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, ((len(STARTS) * size**2, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(word for kind in named for word in kind),
        notes=(f"{len(named)} kinds with {size} examples; corrupted: an example of another kind.",),
        seed=seed,
    )


HYPERNYMY = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
