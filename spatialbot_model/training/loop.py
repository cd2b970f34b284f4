"""The training loop: plain torch on accelerate, resumable bit by bit."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, TrainingError
from spatialbot_model.training.contracts import Batch, TrainingTask, to_device
from spatialbot_model.training.ema import AveragedWeights
from spatialbot_model.training.exporting import export_folder, load_gathered
from spatialbot_model.training.learner import Learner, parameter_names
from spatialbot_model.training.metrics import MeanMetrics, error_metrics, gathered, means_of
from spatialbot_model.training.optimizer import make_optimizer, set_learning_rate
from spatialbot_model.training.prefetch import Prefetcher
from spatialbot_model.training.processes import (
    agreed,
    is_sharded,
    make_accelerator,
    micro_batches,
)
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.run_log import RunLog
from spatialbot_model.training.sampling import WeightedDraws, batch_seed, layer_seed
from spatialbot_model.training.signals import StopRequest
from spatialbot_model.training.state_files import StateFolder
from spatialbot_model.training.training_state import TrainingState
from spatialbot_model.training.validation import validation_batches

STATES_NAME = "state"
EXPORTS_NAME = "checkpoints"
FINAL_NAME = "checkpoint"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: steps done.
        steps: steps of the recipe.
        split: "train" or "validation", which `metrics` are of.
        metrics: loss, bin errors, errors in mm and degrees, and of "train" also
            ``learning_rate``, ``gradient_norm``, ``samples_s`` and ``data_wait`` (0 .. 1).
    """

    step: int
    steps: int
    split: str
    metrics: dict[str, float]


@dataclass(slots=True)
class TrainingResult:
    """What became of a training.

    Attributes:
        step: steps done.
        finished: whether that is all of them.
        signal_number: of what stopped it, else 0.
        checkpoint: for use; None when it was stopped.
        scores: the last validation metrics.
        seconds: training time, that of resumed parts included.
    """

    step: int
    finished: bool
    signal_number: int = 0
    checkpoint: Path | None = None
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Trainer:
    """One training in one folder.

    Args:
        recipe: the hyper-parameters.
        task: model, data and objective.
        folder: gets states, checkpoints and the log.
        stop: a wish to stop, looked at after every step.
        observer: told of every line of the log.
        write_card: called with each checkpoint folder, the step, scores and seconds.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: TrainingTask,
        folder: Path,
        *,
        stop: StopRequest | None = None,
        observer: Callable[[Progress], None] | None = None,
        write_card: Callable[[Path, int, dict[str, float], float], None] | None = None,
    ) -> None:
        self._recipe = recipe
        self._task = task
        self._folder = folder
        self._stop = StopRequest() if stop is None else stop
        self._observer = observer
        self._write_card = write_card
        spec = task.action_spec
        self._spec = None if spec is None else ActionSpec.from_mapping(spec)
        self._states = StateFolder(folder / STATES_NAME, recipe.keep)

    def run(self, *, resume: bool = False) -> TrainingResult:
        """Train to the last step, or until somebody wishes to stop.

        Raises:
            ConfigurationError: the batch cannot be divided, nothing is trained, or there are
                states already and none is to be resumed.
            CheckpointError: the state to resume cannot be used.
            TrainingError: the loss is no number any more.
        """
        known = self._states.steps()
        if known and not resume:
            raise ConfigurationError(
                f"{self._folder} holds a training of {known[-1]} steps; resume it, or choose"
                " another folder"
            )
        self._prepare()
        result = TrainingResult(0, False)
        if known:
            values = self._state.load(self._states, known[-1])
            self._check_same_data(values)
            result.step, result.seconds = known[-1], float(values["seconds"])
            result.scores = dict(values["scores"])
        with ExitStack() as stack:
            self._log: RunLog | None = None
            if self._accelerator.is_main_process:
                self._log = RunLog(self._folder, result.step)
                stack.callback(self._log.close)
            recipe = self._recipe
            self._loader = stack.enter_context(Prefetcher(recipe.loader_threads, recipe.prefetch))
            self._train(result)
        return result

    def _prepare(self) -> None:
        recipe, task = self._recipe, self._task
        accelerator = make_accelerator(recipe, task.may_skip_weights)
        self._accelerator = accelerator
        self._num_micro = micro_batches(recipe, accelerator.num_processes)
        # shards cannot be put together in the model that they were cut from
        self._whole = copy.deepcopy(task.model) if is_sharded(accelerator) else None
        learner = Learner(task.model, task.objective)
        optimizer = make_optimizer(parameter_names(learner), recipe)
        self._learner, self._optimizer = accelerator.prepare(learner, optimizer)
        self._trained = parameter_names(self._learner)
        self._average = AveragedWeights(self._trained, recipe.ema) if recipe.ema else None
        self._state = TrainingState(accelerator, self._learner, self._optimizer, self._average)
        self._draws = WeightedDraws(task.train.weights(), recipe.seed)

    def _check_same_data(self, values: dict[str, Any]) -> None:
        digest = self._task.data_digest
        if values.get("data_digest") != digest:
            raise ConfigurationError(
                f"the data are others ({digest[:12]}) than those of the training to resume"
                f" ({str(values.get('data_digest'))[:12]}); start a new one from its checkpoint"
            )

    def _train(self, result: TrainingResult) -> None:
        recipe, accelerator = self._recipe, self._accelerator
        before_s, start_s = result.seconds, time.monotonic()
        saved_s, log_s = start_s, time.perf_counter()
        saved_step, logged_step = result.step, result.step
        window, norms = MeanMetrics(), MeanMetrics()
        batches = self._loader.stream(self._jobs(result.step))
        if result.step == 0 and recipe.evaluate_every:
            result.scores = self._evaluate(0)
            self._loader.waited_s, log_s = 0.0, time.perf_counter()
        while result.step < recipe.steps:
            rate = set_learning_rate(self._optimizer, result.step, recipe)
            norm = self._step(result.step, batches, window)
            norms.add({"gradient_norm": norm})
            result.step += 1
            is_last = result.step == recipe.steps
            result.seconds = before_s + time.monotonic() - start_s
            if result.step % recipe.log_every == 0 or is_last:
                elapsed_s = max(time.perf_counter() - log_s, 1e-9)
                extra = {
                    "learning_rate": rate,
                    "samples_s": (result.step - logged_step) * recipe.batch_size / elapsed_s,
                    "data_wait": min(1.0, self._loader.waited_s / elapsed_s),
                    "seconds": result.seconds,
                } | means_of([norms.totals()])
                self._report(result.step, "train", window, extra)
                window, norms, logged_step = MeanMetrics(), MeanMetrics(), result.step
                self._loader.waited_s, log_s = 0.0, time.perf_counter()
            paused_s = time.perf_counter()
            if is_last or (recipe.evaluate_every and result.step % recipe.evaluate_every == 0):
                result.scores = self._evaluate(result.step)
            if recipe.export_every and result.step % recipe.export_every == 0 and not is_last:
                self._export(self._folder / EXPORTS_NAME / f"step-{result.step:08d}", result)
            minutes = (time.monotonic() - saved_s) / 60
            due = bool(recipe.save_minutes and minutes >= recipe.save_minutes)
            due |= bool(recipe.save_every and result.step % recipe.save_every == 0)
            stopped, due_anywhere = agreed(accelerator, self._stop.signal_number, int(due))
            if stopped or due_anywhere or is_last:
                self._save(result)
                saved_s, saved_step = time.monotonic(), result.step
            # what is no training does not count as slow training
            log_s += time.perf_counter() - paused_s
            if stopped and not is_last:
                result.signal_number = stopped
                return
        if saved_step != result.step:
            self._save(result)
        result.finished = True
        result.checkpoint = self._folder / FINAL_NAME
        self._export(result.checkpoint, result)

    def _jobs(self, first_step: int) -> Iterator[Callable[[], Batch]]:
        recipe, rank, data = self._recipe, self._accelerator.process_index, self._task.train
        size = recipe.micro_batch_size
        for step in range(first_step, recipe.steps):
            indices = self._draws.indices(step, size * self._num_micro, rank)
            for micro in range(self._num_micro):
                chosen = indices[micro * size : (micro + 1) * size].tolist()
                yield partial(data.batch, chosen, batch_seed(recipe.seed, step, rank, micro))

    def _step(self, step: int, batches: Iterator[Batch], window: MeanMetrics) -> torch.Tensor:
        """One optimisation step; returns the norm of the gradient before it was clipped."""
        recipe, accelerator = self._recipe, self._accelerator
        self._learner.train()
        for micro in range(self._num_micro):
            batch = to_device(next(batches), accelerator.device)
            # what layers draw depends on the step only, so that nothing of it need be saved
            torch.manual_seed(layer_seed(recipe.seed, step, accelerator.process_index, micro))
            is_last = micro == self._num_micro - 1
            with nullcontext() if is_last else accelerator.no_sync(self._learner):
                loss, metrics = self._learner(batch)
                accelerator.backward(loss / self._num_micro)
            window.add({"loss": loss, **metrics})
        longest = recipe.clip_norm or float("inf")
        norm: Any = accelerator.clip_grad_norm_(list(self._trained.values()), longest)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(step)
        return torch.as_tensor(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def _report(
        self, step: int, split: str, window: MeanMetrics, extra: dict[str, float]
    ) -> dict[str, float]:
        accelerator = self._accelerator
        totals = gathered(window.totals(), accelerator.num_processes, accelerator.device)
        metrics = means_of(totals)
        if not math.isfinite(metrics["loss"]):
            raise TrainingError(
                f"at step {step} the {split} loss is {metrics['loss']}: the training diverged;"
                " choose a smaller learning_rate or a smaller clip_norm"
            )
        # a mean over nothing is no number
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if self._spec is not None:
            metrics |= error_metrics(metrics, self._spec)
        metrics |= extra
        if self._log is not None:
            self._log.write(step, split, metrics)
            if self._observer is not None:
                self._observer(Progress(step, self._recipe.steps, split, metrics))
        return metrics

    def _evaluate(self, step: int) -> dict[str, float]:
        data = self._task.validation
        if data is None or not len(data):
            return {}
        recipe, accelerator = self._recipe, self._accelerator
        jobs = validation_batches(
            data, recipe, accelerator.process_index, accelerator.num_processes
        )
        window = MeanMetrics()
        self._learner.eval()
        averaged = nullcontext() if self._average is None else self._average.in_place()
        with averaged, torch.no_grad():
            for batch, weight in self._weighted(jobs):
                loss, metrics = self._learner(to_device(batch, accelerator.device))
                window.add({"loss": loss, **metrics}, weight)
        return self._report(step, "validation", window, {})

    def _weighted(
        self, jobs: list[tuple[Callable[[], Batch], float]]
    ) -> Iterator[tuple[Batch, float]]:
        made = self._loader.stream(job for job, _ in jobs)
        return zip(made, (weight for _, weight in jobs), strict=True)

    def _save(self, result: TrainingResult) -> None:
        values = {
            "recipe": self._recipe.to_mapping(),
            "data_digest": self._task.data_digest,
            "seconds": round(result.seconds, 1),
            "scores": result.scores,
        }
        self._state.save(self._states, result.step, values)

    def _export(self, folder: Path, result: TrainingResult) -> None:
        """Write a checkpoint for use, with the averaged weights if there are any."""
        accelerator = self._accelerator
        averaged = nullcontext() if self._average is None else self._average.in_place()
        with averaged:
            model = self._task.model
            if self._whole is not None:
                state: Any = accelerator.get_state_dict(self._learner)
                model = self._whole
                if accelerator.is_main_process:
                    load_gathered(model, state)
            if accelerator.is_main_process:
                export_folder(folder, model, self._task)
                if self._write_card is not None:
                    self._write_card(folder, result.step, result.scores, result.seconds)
        accelerator.wait_for_everyone()
