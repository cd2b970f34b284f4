"""The loop: what it resumes is what it would have been, and it ends when asked to."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from toy_training import CurveData, files_of, make_net, toy_recipe, toy_task, train

from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError, TrainingError
from spatialbot_model.training.loop import Progress
from spatialbot_model.training.run_log import read_metrics
from spatialbot_model.training.signals import stop_on_signals


class PowerCut(Exception):
    """Raised in the middle of a training."""


def test_interrupted_and_resumed_is_bit_equal(tmp_path: Path) -> None:
    whole, _ = train(tmp_path / "whole")

    def cut(progress: Progress) -> None:
        if progress.step == 5:
            raise PowerCut

    with pytest.raises(PowerCut):
        train(tmp_path / "parts", observer=cut)
    # what was random before must not matter
    torch.manual_seed(123)
    resumed, seen = train(tmp_path / "parts", resume=True)
    assert seen[0].step == 4
    assert whole.finished and resumed.finished
    for name in ("checkpoint", "state/step-00000006"):
        expected = files_of(tmp_path / "whole" / name)
        assert expected and files_of(tmp_path / "parts" / name) == expected
    assert resumed.scores == whole.scores

    def logged(folder: str) -> list[tuple[int, str, float]]:
        lines = read_metrics(tmp_path / folder)
        return [(line["step"], line["split"], line["loss"]) for line in lines]

    assert logged("parts") == logged("whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(tmp_path: Path, number: signal.Signals) -> None:
    recipe = toy_recipe(save_every=0, save_minutes=0)
    train(tmp_path / "whole", recipe)

    def send(progress: Progress) -> None:
        # a second one would act as it always does
        if progress.step == 2 and progress.split == "train":
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        result, _ = train(tmp_path / "parts", recipe, stop=stop, observer=send)
    assert signal.getsignal(number) is before
    assert not result.finished and result.signal_number == number
    assert result.step == 2 and result.checkpoint is None
    resumed, _ = train(tmp_path / "parts", recipe, resume=True)
    assert resumed.finished
    assert files_of(tmp_path / "parts/checkpoint") == files_of(tmp_path / "whole/checkpoint")


def test_it_learns_and_counts(tmp_path: Path) -> None:
    result, seen = train(tmp_path, toy_recipe(steps=80, log_every=20, evaluate_every=40))
    losses = [p.metrics["loss"] for p in seen if p.split == "validation"]
    assert [p.step for p in seen if p.split == "validation"] == [0, 40, 80]
    assert losses[-1] < 0.5 * losses[0]
    last = seen[-2].metrics
    assert last["samples_s"] > 0 and 0 <= last["data_wait"] <= 1 and last["gradient_norm"] > 0
    # a bin of translation is 0.6 mm
    assert last["error/dx_mm"] == pytest.approx(0.6 * last["bin_error/dx"])
    assert result.scores["loss"] == losses[-1]


def test_accumulated_batches_are_the_batch(tmp_path: Path) -> None:
    weights = []
    for micro in (8, 2):
        task = toy_task(make_net(dropout=0.0), CurveData(noise=0.0))
        recipe = toy_recipe(micro_batch_size=micro, ema=0.0, steps=4)
        train(tmp_path / str(micro), recipe, task)
        weights.append(torch.cat([p.flatten() for p in task.model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


def test_averaged_weights_are_shipped_and_the_others_resumed(tmp_path: Path) -> None:
    task = toy_task()
    train(tmp_path, task=task)
    state = tmp_path / "state/step-00000006"
    from safetensors.torch import load_file

    shipped = load_file(tmp_path / "checkpoint/weights.safetensors")
    average = load_file(state / "average-00000.safetensors")
    trained = load_file(state / "model-00000.safetensors")
    for name, parameter in task.model.named_parameters():
        assert torch.equal(shipped[name], average[name])
        assert torch.equal(trained[name], parameter)
        assert not torch.equal(trained[name], average[name])


def test_old_states_go_and_no_half_written_one_counts(tmp_path: Path) -> None:
    train(tmp_path, toy_recipe(save_every=1, keep=2, export_every=3))
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == [
        "step-00000005",
        "step-00000006",
    ]
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]
    values = json.loads((tmp_path / "state/step-00000006/state.json").read_text())
    assert values["step"] == 6 and values["recipe"]["name"] == "toy"
    (tmp_path / "state/step-00000006/state.json").unlink()
    result, seen = train(tmp_path, resume=True)
    assert result.finished and seen[0].step == 6


def test_what_cannot_be_resumed_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(ConfigurationError, match="resume it"):
        train(tmp_path)
    with pytest.raises(ConfigurationError, match="the data are others"):
        train(tmp_path, task=toy_task(digest="another"), resume=True)
    with pytest.raises(CheckpointError, match="another model"):
        train(tmp_path, task=toy_task(torch.nn.Linear(1, 1)), resume=True)
    path = tmp_path / "state/step-00000006/optimizer-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="cannot read"):
        train(tmp_path, resume=True)


def test_divergence_and_errors_of_data_end_it(tmp_path: Path) -> None:
    def exploding(model: torch.nn.Module, batch: dict) -> tuple[torch.Tensor, dict]:
        return model(batch["x"]).mean() * float("nan"), {}

    with pytest.raises(TrainingError, match="diverged"):
        train(tmp_path / "a", task=toy_task(objective=exploding))

    class Broken(CurveData):
        def batch(self, indices: list[int], seed: int) -> dict:
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        train(tmp_path / "b", task=toy_task(data=Broken()))


def test_nothing_to_train_and_indivisible_batches(tmp_path: Path) -> None:
    frozen = make_net().requires_grad_(False)
    with pytest.raises(ConfigurationError, match="trains no weight"):
        train(tmp_path, task=toy_task(frozen))
    with pytest.raises(ConfigurationError, match="multiple of micro_batch_size"):
        toy_recipe(batch_size=10)
