"""What a free answer says: yes or no, a count, a depth; None when it says nothing or too much."""

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*", re.UNICODE)
_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: float(value) for value, word in enumerate(_COUNTING.split())}
# one is a pronoun as often as a number; it counts only where nothing else does
_WEAK: dict[str, float] = {"one": 1.0, "none": 0.0, "no": 0.0}
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_POINT = re.compile(
    r"(?:point|depth)?\s*[(<\[]\s*-?[\d.]+\s*(?:,\s*-?[\d.]+\s*)+[)>\]]", re.IGNORECASE
)
_LENGTH = re.compile(
    r"(?<![\w.])(\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)\s*"
    r"(mm|millimet(?:re|er)s?|cm|centimet(?:re|er)s?|m|met(?:re|er)s?)?(?![\w])",
    re.IGNORECASE,
)
_UNITS_MM = {"mm": 1.0, "mi": 1.0, "cm": 10.0, "ce": 10.0, "m": 1000.0, "me": 1000.0, "": 1.0}


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text as whole words, in any case and with any punctuation."""
    words, wanted = _words(text), _words(phrase)
    return bool(wanted) and any(
        words[k : k + len(wanted)] == wanted for k in range(len(words) - len(wanted) + 1)
    )


def says_something(text: str) -> bool:
    """Whether there is a word in it at all."""
    return bool(_words(text))


def yes_or_no(text: str) -> str | None:
    """``yes`` or ``no``, whichever alone stands in a text; None for neither or both."""
    said = {"yes", "no"} & set(_words(text))
    return said.pop() if len(said) == 1 else None


def count_in(text: str) -> int | None:
    """The one whole number of a text, in digits or in words up to twenty; None otherwise."""
    numbers: set[float] = {float(found.replace(",", "")) for found in _NUMBER.findall(text)}
    words = _words(text)
    numbers |= {_NUMBER_WORDS[word] for word in words if word in {*_NUMBER_WORDS} - {*_WEAK}}
    numbers = numbers or {_WEAK[word] for word in words if word in _WEAK}
    number = numbers.pop() if len(numbers) == 1 else None
    return int(number) if number is not None and number.is_integer() else None


def depth_mm_in(text: str) -> float | None:
    """The one depth of a text in millimetres; without a unit it is in millimetres already.

    Coordinates of points are no depths. None without a depth, or with two that differ.
    """
    cleaned = _POINT.sub(" ", text)
    depths = {
        float(number.replace(",", "")) * _UNITS_MM[unit.lower()[:2]]
        for number, unit in _LENGTH.findall(cleaned)
    }
    return depths.pop() if len(depths) == 1 else None


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
