"""Two processes on one machine (gloo): they train one model, stop together and resume equally."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from toy_training import files_of

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.training.processes import micro_batches
from spatialbot_model.training.recipe import Recipe

SCRIPT = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.timeout(300)
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    # what `accelerate launch --cpu --num_processes 2` sets
    common = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path)],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=270)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    for name in ("checkpoint", "state/step-00000006"):
        whole = files_of(tmp_path / "whole" / name)
        assert whole and files_of(tmp_path / "parts" / name) == whole


def test_a_batch_is_divided_among_processes() -> None:
    recipe = Recipe("r", "t", "p", batch_size=64, micro_batch_size=8)
    assert [micro_batches(recipe, count) for count in (1, 2, 8)] == [8, 4, 1]
    with pytest.raises(ConfigurationError, match="multiple of 24"):
        micro_batches(recipe, 3)
