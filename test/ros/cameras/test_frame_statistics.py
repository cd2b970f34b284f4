"""Rates come from stamps, losses from frame numbers."""

import numpy as np
import pytest

from spatialbot_ros.cameras.frame_statistics import FrameStatistics
from spatialbot_ros.ports import CameraFrameset


def frameset(number: int, stamp_ns: int) -> CameraFrameset:
    return CameraFrameset(
        stamp_ns, number, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint16), None
    )


def test_rate_losses_and_extremes_of_a_period() -> None:
    statistics = FrameStatistics()
    for number in (1, 2, 3, 6):
        statistics.add(frameset(number, number * 50_000_000), processing_ms=number, age_ms=2.0)
    report = statistics.report()
    assert report.num_frames == 4
    assert report.num_lost == 2
    assert report.rate_hz == pytest.approx(3 / 0.25)
    assert report.max_processing_ms == 6
    assert report.max_age_ms == 2.0


def test_losses_add_up_over_periods_and_the_rest_starts_anew() -> None:
    statistics = FrameStatistics()
    statistics.add(frameset(1, 10), 9.0, 9.0)
    statistics.report()
    statistics.add(frameset(3, 100_000_010), 1.0, 1.0)
    report = statistics.report()
    assert (report.num_frames, report.num_lost) == (1, 1)
    assert report.rate_hz == pytest.approx(10.0)
    assert report.max_processing_ms == 1.0
    assert statistics.report().rate_hz == 0.0


def test_a_camera_that_comes_back_has_lost_nothing() -> None:
    statistics = FrameStatistics()
    statistics.add(frameset(90, 10), 1.0, 1.0)
    statistics.restart()
    statistics.add(frameset(1, 5), 1.0, 1.0)
    statistics.add(frameset(2, 6), 1.0, 1.0)
    assert statistics.report().num_lost == 0
