"""Random observations and one tiny checkpoint, for the tests of this folder."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.types import CameraIntrinsics, Observation, RgbdFrame
from spatialbot_model.inference.checkpoints import create_checkpoint
from spatialbot_model.modeling.checkpoint import save_model

WIDTH_PX, HEIGHT_PX = 96, 72
WORDS = ("pick", "place", "push", "open", "the", "red", "cube", "drawer", "on", "left", "board")


def random_frame(rng: np.random.Generator, stamp_ns: int) -> RgbdFrame:
    """A frame of noise with holes in its depth."""
    intrinsics = CameraIntrinsics(WIDTH_PX, HEIGHT_PX, 80.0, 80.0, 48.0, 36.0)
    color = rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    depth_mm = rng.integers(300, 3000, (HEIGHT_PX, WIDTH_PX), np.uint16)
    depth_mm[rng.random(depth_mm.shape) < 0.2] = 0
    return RgbdFrame(stamp_ns, color, depth_mm, intrinsics)


def random_observation(rng: np.random.Generator, num_frames: int = 4) -> Observation:
    """Frames and an instruction that nobody would give."""
    frames = tuple(random_frame(rng, 1000 - 100 * k) for k in range(num_frames))
    return Observation(frames, random_instruction(rng), np.eye(4))


def random_instruction(rng: np.random.Generator) -> str:
    """Two to six words."""
    return " ".join(rng.choice(WORDS, rng.integers(2, 7)))


def create_lively_checkpoint(folder: Path, **settings: Any) -> None:
    """A tiny checkpoint whose answers depend on what it sees.

    Freshly made weights are so small that they always say the same.
    """
    model, _ = create_checkpoint("tiny", folder, seed=1, action_spec=ActionSpec(), **settings)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "embed" not in name:
                weight.mul_(8.0)
    save_model(model, folder)
