"""Instructions with a word that nobody knows, so that the others are learned to suffice.

A small language model that has read this project's text alone has no synonyms: "flask" says
nothing to it. What it can learn is what people do then, to go by the other words and by what is
on the table.
"""

import numpy as np

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"
_MAX_SYLLABLES = 3
_REPLACED_SHARE = 0.6


def with_unknown_word(instruction: str, rng: np.random.Generator) -> str:
    """The instruction with one word replaced by a made-up one, or with that put in."""
    words = instruction.split(" ")
    at = int(rng.integers(len(words)))
    replaced = int(rng.random() < _REPLACED_SHARE)
    return " ".join([*words[:at], _made_up(rng), *words[at + replaced :]])


def _made_up(rng: np.random.Generator) -> str:
    letters: list[str] = []
    for _ in range(int(rng.integers(1, _MAX_SYLLABLES + 1))):
        letters += [str(rng.choice(list(_CONSONANTS))), str(rng.choice(list(_VOWELS)))]
    if rng.random() < 0.5:
        letters.append(str(rng.choice(list(_CONSONANTS))))
    return "".join(letters)
