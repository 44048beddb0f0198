"""Agreement: the subject's number decides, and the nearest noun has the other."""

from tasks import make_task, words
from tests.support.tiny_models import tiny_tokenizer

NOUNS = words.THINGS + words.PLACES + words.PEOPLE
NUMBER = {form: number for forms in NOUNS for number, form in enumerate(forms)}
SINGULAR_VERBS = {f" {forms[0]}" for forms in words.VERBS}
PLURAL_VERBS = {f" {forms[1]}" for forms in words.VERBS}
TASK = make_task("subject-verb-agreement", tiny_tokenizer(), 400, 0)


def test_the_answers_agree_with_the_subject() -> None:
    for pair in TASK.pairs:
        verbs = [SINGULAR_VERBS, PLURAL_VERBS]
        number = NUMBER[pair.clean.split()[1]]
        assert set(pair.answers) == verbs[number]
        assert set(pair.wrong_answers) == verbs[1 - number]


def test_the_attractor_has_the_other_number_in_the_clean_prompt() -> None:
    for pair in TASK.pairs:
        the, subject, _preposition, the_other, attractor = pair.clean.split()
        assert (the, the_other) == ("The", "the")
        assert NUMBER[subject] != NUMBER[attractor]


def test_the_corrupted_prompt_has_the_subject_in_the_other_number_only() -> None:
    forms = {form: forms for forms in NOUNS for form in forms}
    for pair in TASK.pairs:
        clean, corrupted = pair.clean.split(), pair.corrupted.split()
        assert clean[2:] == corrupted[2:]
        assert sorted((clean[1], corrupted[1])) == sorted(forms[clean[1]])


def test_singular_and_plural_subjects_are_balanced() -> None:
    numbers = [NUMBER[pair.clean.split()[1]] for pair in TASK.pairs]
    assert sum(numbers) == 200
    assert sum(NUMBER[pair.clean.split()[1]] for pair in TASK.pairs[:32]) == 16


def test_the_answer_space_has_singular_verbs_before_plural_ones() -> None:
    half = len(TASK.answer_space) // 2
    assert set(TASK.answer_space[:half]) == SINGULAR_VERBS
    assert set(TASK.answer_space[half:]) == PLURAL_VERBS
    assert "24 verbs" in TASK.notes[0]
    assert TASK.metric == "prob_diff"


def test_only_verbs_with_both_forms_in_one_token_are_summed() -> None:
    tokenizer = tiny_tokenizer()
    whole = tokenizer.encode

    class WithoutWere:
        """Reads " were" as two tokens."""

        unk_token_id = tokenizer.unk_token_id

        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            return whole(text.replace(" were", " we re"), add_special_tokens=add_special_tokens)

    task = make_task("subject-verb-agreement", WithoutWere(), 4)
    assert " were" not in task.answer_space
    assert " was" not in task.answer_space
    assert " is" in task.answer_space
    assert "23 verbs" in task.notes[0]


def test_subjects_are_things_and_people() -> None:
    subjects = {pair.clean.split()[1] for pair in TASK.pairs}
    assert subjects & {form for forms in words.THINGS for form in forms}
    assert subjects & {form for forms in words.PEOPLE for form in forms}
