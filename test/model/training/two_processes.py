"""One of two processes that train together: straight, and stopped by one of them and resumed."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from toy_training import toy_recipe, toy_task, train

from spatialbot_model.training.loop import Progress
from spatialbot_model.training.signals import StopRequest, stop_on_signals


def main(folder: Path) -> None:
    rank = int(os.environ["RANK"])
    # three batches to evaluate: one process has more of them than the other
    recipe = toy_recipe(save_every=0, save_minutes=0, evaluate_batches=3)
    task = toy_task()
    train(folder / "whole", recipe, task)
    ours = torch.cat([weight.detach().flatten() for weight in task.model.parameters()])
    both = [torch.empty_like(ours) for _ in range(2)]
    torch.distributed.all_gather(both, ours)
    # they learned from other samples, so this takes an exchange of gradients
    assert torch.equal(*both)

    def stop_after_three(progress: Progress) -> None:
        if progress.step == 3 and progress.split == "train":
            os.kill(os.getpid(), signal.SIGTERM)

    with stop_on_signals() as stop:
        assert isinstance(stop, StopRequest)
        # only the first process is told of progress, and stops both
        result, _ = train(folder / "parts", recipe, stop=stop, observer=stop_after_three)
    assert (result.step, result.signal_number) == (3, signal.SIGTERM), (rank, result)
    result, _ = train(folder / "parts", recipe, resume=True)
    assert result.finished and result.step == 6, (rank, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
