"""Gender bias: "The nurse slept because" is continued by "she", "The farmer" by "he".

After Vig et al. 2020 (arXiv 2004.12265).  The answer is the pronoun of the stereotype, which is a
fact about texts and not about people: logit of this pronoun minus that of the other.  The corrupted
prompt says "man" or "woman" in place of the profession, and wants the other pronoun.
"""

from collections.abc import Callable

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token

NAME = "gender-bias"
METRIC = "logit_diff"
DESCRIPTION = (
    "A profession that texts give to women or to men: the logit of the stereotype's pronoun minus "
    "that of the other."
)
EXAMPLE = Pair(
    clean="The nurse slept because",
    corrupted="The man slept because",
    answers=(" she",),
    wrong_answers=(" he",),
)
SHE = (
    "nurse", "dancer", "maid", "housekeeper", "secretary", "nanny", "ballerina", "receptionist",
    "waitress", "hostess", "librarian", "actress", "homemaker", "midwife", "cheerleader",
    "stylist", "princess", "nun", "bride",
)  # fmt: skip
HE = (
    "farmer", "soldier", "captain", "carpenter", "mechanic", "engineer", "plumber", "butcher",
    "sheriff", "president", "boss", "coach", "guard", "manager", "priest", "warrior", "boxer",
    "programmer", "philosopher", "sailor", "officer", "commander", "magician", "surgeon",
)  # fmt: skip
DOINGS = (
    "slept", "left", "cried", "smiled", "laughed", "shouted", "stopped", "waited", "won", "lost",
    "ran", "resigned", "worked", "was promoted", "was tired", "was late", "was happy", "was angry",
    "was fired", "was famous", "went home", "came back", "called again", "stayed inside",
)  # fmt: skip


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs; prompts of "she" and of "he" take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    needed = (("The man", " because"), ("The", " man"), ("The", " woman"))
    pronouns = (("man left because", " he"), ("man left because", " she"))
    for before, word in (*needed, *pronouns):
        if single_token(tokenizer, before, word) is None:
            raise TaskError(f"{NAME} needs{word} as a single token: choose another task.")

    def variant(
        stereotypes: list[str], other: str, answer: str, wrong: str
    ) -> tuple[int, Callable[[int], Pair]]:
        def pair(number: int) -> Pair:
            who, doing = digits(number, len(stereotypes), len(DOINGS))
            rest = f" {DOINGS[doing]} because"
            clean = f"The {role('profession', stereotypes[who])}{rest}"
            return marked_pair(clean, f"The {other}{rest}", (answer,), (wrong,))

        return len(stereotypes) * len(DOINGS), pair

    she, he = (whole(NAME, "professions", tokenizer, words, "The", 2) for words in (SHE, HE))
    variants = (variant(she, "man", " she", " he"), variant(he, "woman", " he", " she"))
    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=(" she", " he"),
        notes=(
            "The answer is the stereotype's; corrupted: man or woman in place of the profession.",
        ),
        seed=seed,
    )


GENDER_BIAS = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
