"""Questions with options: how they are written, rotated, and which option an answer means."""

import re
from collections.abc import Mapping

from spatialbot_model.evaluation.vlm.benchmark import LETTER_ANSWER, prompt

_SEPARATORS = re.compile(r"[.()\[\],:;!*#{}\s]+")
_LONGEST_WITH_ARTICLE = 3


def choice_prompt(question: str, options: Mapping[str, str], hint: str = "") -> str:
    """Hint, question, the options by letter, and that a letter is wanted."""
    lines = [hint] if hint else []
    lines += [question, *(f"{letter}. {text}" for letter, text in options.items())]
    return prompt("\n".join(lines), LETTER_ANSWER)


def rotations(options: Mapping[str, str], answer: str | None) -> list[tuple[dict[str, str], str]]:
    """The options moved round by 0, 1, .. places, each with where the answer has come to."""
    letters, texts = list(options), list(options.values())
    n = len(letters)
    turned = []
    for shift in range(n):
        moved = {letters[(k + shift) % n]: texts[k] for k in range(n)}
        ordered = {letter: moved[letter] for letter in letters}
        place = letters[(letters.index(answer) + shift) % n] if answer in letters else ""
        turned.append((ordered, place))
    return turned


def infer_choice(text: str, options: Mapping[str, str]) -> str | None:
    """The option that an answer means, by rules only; None where it is none or several.

    One letter of an option standing alone decides; an A in a longer sentence may be an article
    and does not. Without a letter, the text of exactly one option has to occur.
    """
    words = [word for word in _SEPARATORS.split(text) if word]
    letters = {word for word in words if word in options}
    if len(letters) == 1:
        (letter,) = letters
        if letter == "A" and len(words) > _LONGEST_WITH_ARTICLE:
            letters = set()
        else:
            return letter
    if letters:
        return None
    said = text.lower()
    named = [letter for letter, option in options.items() if option and option.lower() in said]
    return named[0] if len(named) == 1 else None
