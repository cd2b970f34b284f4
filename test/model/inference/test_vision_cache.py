"""What is remembered of frames, and when it is forgotten."""

import numpy as np
import torch
from samples import random_frame

from spatialbot_model.contracts.types import RgbdFrame
from spatialbot_model.inference.vision_cache import VisionCache

RNG = np.random.default_rng(0)


class Counting:
    """An encoder that says how often it was asked."""

    def __init__(self) -> None:
        self.frames: list[RgbdFrame] = []

    def __call__(self, frame: RgbdFrame) -> torch.Tensor:
        self.frames.append(frame)
        return torch.tensor([float(frame.color.sum())])


def test_only_new_frames_are_encoded() -> None:
    cache, encode = VisionCache(), Counting()
    frames = [random_frame(RNG, k) for k in range(6)]
    cache.features(frames[3::-1], encode)
    assert len(encode.frames) == 4
    features = cache.features(frames[4:0:-1], encode)
    assert encode.frames[4:] == [frames[4]]
    assert [float(f) for f in features] == [float(f.color.sum()) for f in frames[4:0:-1]]


def test_a_padded_history_is_encoded_once() -> None:
    encode = Counting()
    frame = random_frame(RNG, 5)
    assert len(VisionCache().features([frame] * 4, encode)) == 4
    assert len(encode.frames) == 1


def test_another_frame_of_the_same_stamp_is_another_frame() -> None:
    cache, encode = VisionCache(), Counting()
    first, second = random_frame(RNG, 5), random_frame(RNG, 5)
    cache.features([first], encode)
    (features,) = cache.features([second], encode)
    assert float(features) == float(second.color.sum())
    both = cache.features([first, second], encode)
    assert [float(f) for f in both] == [float(f.color.sum()) for f in (first, second)]


def test_frames_out_of_sight_are_forgotten() -> None:
    cache, encode = VisionCache(), Counting()
    frames = [random_frame(RNG, k) for k in range(6)]
    cache.features(frames[:4], encode)
    cache.features(frames[2:], encode)
    assert len(cache) == 4
    cache.features(frames[:1], encode)
    assert len(encode.frames) == 7
    cache.clear()
    assert len(cache) == 0


def test_it_can_be_switched_off() -> None:
    cache, encode = VisionCache(enabled=False), Counting()
    frame = random_frame(RNG, 5)
    cache.features([frame, frame], encode)
    assert len(encode.frames) == 2 and len(cache) == 0
