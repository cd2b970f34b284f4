"""Camera-like RGB-D frames for measurements: smooth colours, a tilted table with holes in it."""

from collections.abc import Iterator

import cv2
import numpy as np

from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

INTRINSICS = CameraIntrinsics(640, 480, 615.0, 615.0, 319.5, 239.5)
_PERIOD_NS = 100_000_000
_HOLES = 0.05


def synthetic_frames(
    num: int, seed: int, intrinsics: CameraIntrinsics = INTRINSICS
) -> Iterator[RgbdFrame]:
    """`num` frames at 10 Hz, all different, the same for the same seed."""
    rng = np.random.default_rng(seed)
    height, width = intrinsics.height, intrinsics.width
    slope_mm = np.linspace(1400.0, 700.0, height)[:, None]
    for index in range(num):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        color = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        bumps_mm = cv2.resize(rng.normal(0.0, 40.0, (12, 16)), (width, height))
        depth_mm = np.rint(slope_mm + bumps_mm).astype(np.uint16)
        depth_mm[rng.random((height, width)) < _HOLES] = 0
        yield RgbdFrame((index + 1) * _PERIOD_NS, np.asarray(color, np.uint8), depth_mm, intrinsics)
