"""How VQA normalises answers before it compares them, and its soft accuracy.

Compatible with the official evaluation (github.com/GT-Vision-Lab/VQA), oddities included: its
tables are data of that evaluation.
"""

import re
from collections.abc import Sequence

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_NUMBER_COMMA = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
# the official script hands a flag to sub() where the number of replacements stands
_MOST_FULL_STOPS = int(re.UNICODE)
_DIGITS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
_ARTICLES = ("a", "an", "the")

# every apostrophe of these may be missing
_SIMPLE = """ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd
he's how'd how'll how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've
o'clock oughtn't shan't should've shouldn't somebody'll somebody's someone'd someone'll someone's
something'd something'll that's there'd there're there's they'd they'll they're they've 'twas
wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've"""
# one of two or more apostrophes may be missing
_DOUBLE = """couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've
someone'd've something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've
you'd've 'ow's'at"""


def _without_one(word: str) -> list[str]:
    return [word[:k] + word[k + 1 :] for k, letter in enumerate(word) if letter == "'"]


CONTRACTIONS = (
    {word.replace("'", ""): word for word in _SIMPLE.split()}
    | {short: word for word in _DOUBLE.split() for short in _without_one(word)}
    | {"somebody'd": "somebodyd"}
)
"""Spellings without an apostrophe, and what they are taken for."""


def normalise(answer: str) -> str:
    """An answer without punctuation and articles, numbers up to ten as digits, in lower case."""
    return _digits_and_articles(_punctuation(answer))


def soft_accuracy(answer: str, truths: Sequence[str]) -> float:
    """Share 0..1: whoever agrees with three of the others is right.

    Mean over all truths of min(1, equal ones among the other truths / 3). Normalised only where
    people disagree, as the official script does.

    Args:
        truths: of ten people, not empty.
    """
    said, given = _plain(answer), [_plain(truth) for truth in truths]
    if len(set(given)) > 1:
        said, given = normalise(said), [normalise(truth) for truth in given]
    equal = [truth == said for truth in given]
    total = sum(equal)
    return sum(min(1.0, (total - own) / 3.0) for own in equal) / len(given)


def _plain(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _punctuation(text: str) -> str:
    has_number = _NUMBER_COMMA.search(text) is not None
    result = text
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside_space or has_number else " ")
    return _FULL_STOP.sub("", result, count=_MOST_FULL_STOPS)


def _digits_and_articles(text: str) -> str:
    words = [_DIGITS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
