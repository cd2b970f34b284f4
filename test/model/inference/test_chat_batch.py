"""Questions answered in common passes are answered as they are alone."""

import numpy as np
from samples import random_frame, random_instruction

from spatialbot_model.contracts.types import PromptImage
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.options import EngineOptions


def test_a_batch_of_chats_equals_single_ones(tiny: tuple) -> None:
    """With none, one or two images, and prompts of different lengths."""
    engine = Engine(*tiny, EngineOptions(device="cpu", max_chat_tokens=16))
    rng = np.random.default_rng(4)
    requests = []
    for number in range(4):
        frame = random_frame(rng, number)
        images = [PromptImage("rgb", frame.color), PromptImage("depth", frame.depth_mm)]
        requests.append((images[: number % 3], random_instruction(rng)))
    single = [engine.chat(images, question) for images, question in requests]
    batch = engine.chat_batch(requests)
    assert [answer.text for answer in batch] == [answer.text for answer in single]
    assert [a.conversation for a in batch] == [a.conversation for a in single]
    assert len({answer.text for answer in single}) > 1
    assert engine.chat_batch([]) == []
