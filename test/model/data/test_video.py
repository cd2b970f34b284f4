"""Videos are written by ordinary threads."""

import os
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.scheduling import thread_ids
from spatialbot_model.data.video import VideoWriter, color_codec, read_video


def real_time_threads() -> set[int]:
    return {i for i in thread_ids() if os.sched_getscheduler(i) != os.SCHED_OTHER}


def test_an_encoder_gives_nobody_a_real_time_priority(tmp_path: Path) -> None:
    before = real_time_threads()
    pixels = np.random.default_rng(0).integers(0, 255, (5, 64, 96, 3), np.uint8)
    with VideoWriter(tmp_path / "film.mp4", color_codec("av1"), 10) as video:
        for frame in pixels:
            video.append(frame)
            assert real_time_threads() <= before
    assert real_time_threads() <= before
    assert len(list(read_video(tmp_path / "film.mp4", "rgb24"))) == 5
