"""Mixtures keep every part's rows and weights; questions tell what the depth image holds."""

import numpy as np
import pytest
import torch

from spatialbot_model.contracts.depth_tool import lookup_depth, parse_depth_calls
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.training.depth_questions import depth_dialogue
from spatialbot_model.training.mixture import MixtureData


class Rows:
    """A test double: row k of part p is p * 100 + k, `width` times."""

    def __init__(self, part: int, count: int, width: int) -> None:
        self.part, self.count, self.width = part, count, width

    def __len__(self) -> int:
        return self.count

    def weights(self) -> np.ndarray:
        return np.full(self.count, 2.0)

    def batch(self, indices: list[int], seed: int) -> dict[str, torch.Tensor]:
        values = torch.tensor([self.part * 100 + index for index in indices])
        return {"ids": values[:, None].repeat(1, self.width), "label": values}


def test_rows_come_from_their_parts_and_are_filled_up() -> None:
    parts = [(Rows(0, 4, 2), 1.0), (Rows(1, 3, 5), np.array([1.0, 2.0, 3.0]))]
    data = MixtureData(parts, {"ids": -1})
    assert len(data) == 7
    assert data.weights().tolist() == [2.0] * 4 + [2.0, 4.0, 6.0]
    batch = data.batch([5, 0, 6, 3], seed=0)
    assert batch["label"].tolist() == [0, 3, 101, 102]
    assert batch["ids"].tolist() == [
        [0, 0, -1, -1, -1],
        [3, 3, -1, -1, -1],
        [101] * 5,
        [102] * 5,
    ]
    assert data.batch([4], seed=0)["ids"].tolist() == [[100] * 5]
    with pytest.raises(ConfigurationError, match="no data"):
        MixtureData([], {})


def test_questions_are_answered_by_what_was_measured() -> None:
    depth_mm = np.random.default_rng(0).integers(300, 3000, (48, 64)).astype(np.uint16)
    depth_mm[:, :16] = 0
    lengths = set()
    for seed in range(40):
        messages = depth_dialogue(depth_mm, np.random.default_rng(seed))
        lengths.add(len(messages))
        x, y = (float(v) for v in messages[0].text.split("<")[1].split(">")[0].split(","))
        answer = lookup_depth(depth_mm, x, y).depth_mm
        assert answer is not None and messages[-1].text == str(answer)
        if len(messages) == 4:
            assert parse_depth_calls(messages[1].text) == ((x, y),)
            assert messages[2].text.endswith(f"={answer}")
    assert lengths == {2, 4}
    nothing = depth_dialogue(np.zeros((4, 4), np.uint16), np.random.default_rng(0))
    assert nothing[-1].text == "invalid"
