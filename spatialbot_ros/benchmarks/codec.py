"""Depth codec of a camera image, against the released numpy expression in the same run."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.depth_codec import decode_depth, encode_depth
from spatialbot_model.contracts.errors import ConfigurationError, DepthCodecError
from spatialbot_ros.benchmarks.result import BenchmarkResult

WIDTH_PX, HEIGHT_PX = 640, 480
BASELINE = "the released numpy expression, R=(d//1024)*4, G=(d//32)*8 mod 256, B=(d%32)*8"


def released_encode(depth_mm: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The released formula as it is written there: one expression a channel, wrap-around."""
    rgb = np.zeros((*depth_mm.shape, 3), np.uint8)
    rgb[..., 0] = (depth_mm // 1024) * 4
    rgb[..., 1] = (depth_mm // 32) * 8
    rgb[..., 2] = (depth_mm % 32) * 8
    return rgb


def released_decode(rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Its inverse, in 16-bit arithmetic."""
    red, green, blue = (rgb[..., channel].astype(np.uint16) for channel in range(3))
    return np.asarray(red // 4 * 1024 + green // 8 * 32 + blue // 8, dtype=np.uint16)


def tabletop_depth() -> NDArray[np.uint16]:
    """(480, 640) uint16 mm: a slanted table, a noisy box on it and 5 % of pixels invalid."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    depth_mm = 1400.0 - rows + rng.normal(0.0, 3.0, (HEIGHT_PX, WIDTH_PX))
    depth_mm[(rows > 200) & (rows < 300) & (columns > 250) & (columns < 400)] -= 80.0
    depth_mm[rng.random(depth_mm.shape) < 0.05] = 0.0
    return np.asarray(depth_mm, dtype=np.uint16)


def run(repeats: int = 400) -> BenchmarkResult:
    """Time encode and decode of the `release` profile and of the baseline by turns.

    Args:
        repeats: samples per figure; the samples of all four alternate, so that whatever else
            the machine does hits them alike.

    Raises:
        ConfigurationError: `repeats` below 1.
        DepthCodecError: subject and baseline differ on the image; figures would mean nothing.
    """
    if repeats < 1:
        raise ConfigurationError(f"repeats is {repeats}, expected at least 1")
    depth_mm = tabletop_depth()
    rgb = encode_depth(depth_mm)
    if not (
        np.array_equal(rgb, released_encode(depth_mm))
        and np.array_equal(decode_depth(rgb), depth_mm)
        and np.array_equal(released_decode(rgb), depth_mm)
    ):
        raise DepthCodecError("the codec and the released expression differ on the image")
    subjects: dict[str, Callable[[], object]] = {
        "encode": lambda: encode_depth(depth_mm),
        "encode_baseline": lambda: released_encode(depth_mm),
        "decode": lambda: decode_depth(rgb),
        "decode_baseline": lambda: released_decode(rgb),
    }
    samples_ms: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(repeats):
        for name, subject in subjects.items():
            start_ns = time.perf_counter_ns()
            subject()
            samples_ms[name].append((time.perf_counter_ns() - start_ns) * 1e-6)
    figures = {}
    for name, values in samples_ms.items():
        figures[f"{name}_median_ms"] = round(statistics.median(values), 4)
        figures[f"{name}_p95_ms"] = round(float(np.percentile(values, 95)), 4)
    figures["decode_ratio"] = round(
        figures["decode_baseline_median_ms"] / figures["decode_median_ms"], 3
    )
    return BenchmarkResult(
        name="codec",
        figures=figures,
        baseline=BASELINE,
        ratio=round(figures["encode_baseline_median_ms"] / figures["encode_median_ms"], 3),
        n=repeats,
    )
