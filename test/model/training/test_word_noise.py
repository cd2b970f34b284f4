"""Instructions with a word that nobody knows."""

import numpy as np

from spatialbot_model.training.word_noise import with_unknown_word

TOLD = "put the left cup on the board"


def test_one_word_is_replaced_or_put_in_and_the_others_stay() -> None:
    rng = np.random.default_rng(0)
    words, known = TOLD.split(), set(TOLD.split())
    lengths = set()
    for _ in range(200):
        changed = with_unknown_word(TOLD, rng).split()
        lengths.add(len(changed))
        at = next(i for i, word in enumerate(changed) if word not in known)
        behind = len(changed) - at - 1
        assert changed[:at] == words[:at]
        assert changed[at + 1 :] == words[len(words) - behind :]
        assert changed[at].isalpha() and 2 <= len(changed[at]) <= 7
    assert lengths == {len(words), len(words) + 1}


def test_the_same_seed_gives_the_same() -> None:
    first, second = (with_unknown_word(TOLD, np.random.default_rng(4)) for _ in range(2))
    assert first == second
