"""The log: what a resumed training drops, a line cut off by a crash, TensorBoard where it is."""

from pathlib import Path

import pytest

from spatialbot_model.training.run_log import METRICS_NAME, TENSORBOARD_NAME, RunLog, read_metrics


def write(folder: Path, steps: list[int], first_step: int = 0) -> None:
    log = RunLog(folder, first_step)
    for step in steps:
        log.write(step, "train", {"loss": 1.0 / step})
    log.close()


def steps_in(folder: Path) -> list[int]:
    return [line["step"] for line in read_metrics(folder)]


def test_lines_behind_the_resumed_step_go(tmp_path: Path) -> None:
    write(tmp_path, [1, 2, 3, 4])
    with (tmp_path / METRICS_NAME).open("a") as file:
        file.write('{"step": 5, "spl')
    assert steps_in(tmp_path) == [1, 2, 3, 4]
    write(tmp_path, [3, 4, 5], first_step=2)
    assert steps_in(tmp_path) == [1, 2, 3, 4, 5]
    # a new training in the same folder begins with an empty log
    write(tmp_path, [1])
    assert steps_in(tmp_path) == [1]


def test_no_log_is_no_lines(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def test_tensorboard_has_the_same_numbers(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path, [1, 2, 4])
    events = accumulator.EventAccumulator(str(tmp_path / TENSORBOARD_NAME))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert found == [(1, 1.0), (2, 0.5), (4, 0.25)]
