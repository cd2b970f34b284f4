"""One control step of the model: the engine against plain `generate`, on the same weights.

Both get the same 640x480 RGB-D frames at 10 Hz, four to an observation, and are timed from the
observation to the action, preprocessing included; on a GPU the device is waited for. The plain
way encodes all frames anew, reads the prompt and writes the action out as text, token by token.
Before anything is timed, the engine's answers are compared with those of `generate` under the
same constraint, token for token.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.history import HISTORY_LENGTH, FrameHistory
from spatialbot_model.contracts.transforms import compose
from spatialbot_model.contracts.types import Observation, RobotState
from spatialbot_model.inference.threads import wait_passively
from spatialbot_ros.benchmarks.result import BenchmarkResult, describe_machine
from spatialbot_ros.benchmarks.synthetic_frames import synthetic_frames
from spatialbot_ros.configuration import load_action_spec

if TYPE_CHECKING:
    from spatialbot_model.inference.engine import Engine

_INSTRUCTION = "pick up the red cube and put it on the left cutting board"
_WARM_UP_STEPS = 3
_LIVELY = 6.0
_LIVELY_SEED = 4
_COMPARED_SEED = 1


def run(
    preset: str = "mini",
    checkpoint: str = "",
    tokenizer: str = "",
    device: str = "auto",
    dtype: str = "auto",
    num_steps: int = 200,
    num_naive_steps: int = 30,
    num_compared: int = 200,
    num_frames: int = HISTORY_LENGTH,
    parallel: int = 0,
    seed: int = 11,
) -> BenchmarkResult:
    """Measure.

    Args:
        preset: model that is made with random language weights, unless `checkpoint` is given.
        checkpoint: folder of the model to measure.
        tokenizer: folder, for presets that do not ship one.
        num_steps, num_naive_steps: timed steps of the engine and of the plain way.
        num_compared: random observations on which both must give the same tokens.
        num_frames: frames of an observation.
        seed: of weights and frames; with most others fresh weights say that they have finished.
        parallel: 1 = measure the decoding of all seven action tokens in one pass.
    """
    if num_naive_steps < 1 or num_steps < 1:
        raise ConfigurationError("num_steps and num_naive_steps must be 1 or more")
    wait_passively()
    with tempfile.TemporaryDirectory(prefix="spatialbot_bench_") as scratch:
        folder = Path(checkpoint) if checkpoint else Path(scratch) / "model"
        compared = Path(checkpoint) if checkpoint else Path(scratch) / "lively"
        if not checkpoint:
            _make_checkpoint(folder, preset, tokenizer, seed, bool(parallel), scale=1.0)
            # fresh weights are so small that they say the same of every image
            _make_checkpoint(
                compared, preset, tokenizer, _LIVELY_SEED, bool(parallel), scale=_LIVELY
            )
        num_seen, num_equal, num_distinct = _compare(
            _load(compared, device, dtype), num_compared, num_frames
        )
        engine = _load(folder, device, dtype)
        engine_ms, stage_ms, naive_ms, num_text_tokens = _time(
            engine, num_steps, num_naive_steps, num_frames, seed
        )
    figures = {
        "engine_p50_ms": float(np.median(engine_ms)),
        "engine_p95_ms": float(np.percentile(engine_ms, 95)),
        "naive_p50_ms": float(np.median(naive_ms)),
        "naive_p95_ms": float(np.percentile(naive_ms, 95)),
        "naive_over_engine_p50": float(np.median(naive_ms) / np.median(engine_ms)),
        "compared": float(num_seen),
        "equal_token_for_token": float(num_equal),
        "distinct_answers": float(num_distinct),
        "images": float(2 * num_frames),
        "prompt_tokens": float(_prompt_tokens(engine, num_frames)),
        "naive_answer_tokens": float(num_text_tokens),
        "parameters_m": sum(p.numel() for p in engine.model.parameters()) / 1e6,
        **{f"engine_{name}_p50_ms": value for name, value in stage_ms.items()},
    }
    return BenchmarkResult(
        name="inference",
        figures=figures,
        baseline="generate() of transformers, all frames encoded anew, action as text",
        ratio=figures["naive_over_engine_p50"],
        n=num_steps,
        machine={**describe_machine(), **_describe_torch(engine), "model": checkpoint or preset},
    )


def _make_checkpoint(
    folder: Path, preset: str, tokenizer: str, seed: int, parallel: bool, scale: float
) -> None:
    import torch

    from spatialbot_model.inference.checkpoints import create_checkpoint
    from spatialbot_model.modeling.checkpoint import save_model

    model, _ = create_checkpoint(
        preset,
        folder,
        seed=seed,
        action_spec=load_action_spec(),
        tokenizer=tokenizer or None,
        parallel_actions=parallel,
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            matters = name.startswith(("language_model.", "projector."))
            if matters and weight.ndim >= 2 and "embed" not in name:
                weight.mul_(scale)
    save_model(model, folder)


def _load(folder: Path, device: str, dtype: str) -> "Engine":
    from spatialbot_model.inference.engine import Engine
    from spatialbot_model.inference.options import DTYPES, EngineOptions

    known = next((name for name in DTYPES if name == dtype), None)
    if known is None:
        raise ConfigurationError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
    return Engine.load(folder, EngineOptions(device=device, dtype=known, depth_tool=False))


def _observations(num: int, num_frames: int, seed: int) -> Iterator[Observation]:
    """A camera at 10 Hz: each observation has one frame that the one before has not."""
    rng = np.random.default_rng(seed)
    history = FrameHistory(num_frames)
    for index, frame in enumerate(synthetic_frames(num + num_frames - 1, seed)):
        history.push(frame)
        if index >= num_frames - 1:
            T_base_ee = compose(np.diag([1.0, -1.0, -1.0]), rng.uniform(0.2, 0.6, 3))
            robot = RobotState(T_base_ee, T_base_ee, rng.uniform(0.0, 0.08), bool(rng.integers(2)))
            yield Observation(history.frames(), _INSTRUCTION, np.eye(4), robot)


def _compare(engine: "Engine", num: int, num_frames: int) -> tuple[int, int, int]:
    """Of how many observations both answer with the same tokens, and how many answers differ.

    Nothing is compared where `generate` has no counterpart: it cannot decode in parallel.
    """
    from spatialbot_model.inference.constraints import ReplyConstraint
    from spatialbot_model.inference.naive import naive_act

    processor = engine.processor
    if num == 0 or processor.action_form != "tokens" or processor.parallel_actions:
        return 0, 0, 0
    constraint = ReplyConstraint(processor.encoder, processor.layout)
    session, num_equal, replies = engine.session(), 0, set()
    for observation in _shown(_observations(num, num_frames, _COMPARED_SEED), num, "comparing"):
        reply = engine.act(session, observation).reply_ids
        replies.add(reply)
        num_equal += naive_act(engine.model, processor, observation, constraint).reply_ids == reply
    return num, num_equal, len(replies)


def _time(
    engine: "Engine", num: int, num_naive: int, num_frames: int, seed: int
) -> tuple[list[float], dict[str, float], list[float], int]:
    """Step times [ms], the engine's stages [ms], plain step times [ms] and its answer's tokens.

    Plain steps stand between the engine's, so that a machine that changes its pace changes both.
    """
    from spatialbot_model.inference.naive import naive_text_act

    session = engine.session()
    engine_ms: list[float] = []
    naive_ms: list[float] = []
    stages: dict[str, list[float]] = {}
    num_tokens = 0
    total = num + _WARM_UP_STEPS
    naive_at = set(np.linspace(_WARM_UP_STEPS - 1, total - 1, num_naive + 1).astype(int).tolist())
    for index, observation in enumerate(_shown(_observations(total, num_frames, seed), total, "")):
        started_s = time.perf_counter()
        step = engine.act(session, observation)
        _wait_for_device(engine)
        if step.bins is None and engine.processor.action_form == "tokens":
            raise ConfigurationError(
                f"the model answers {step.text!r}, which takes fewer passes than an action; choose"
                " another seed or checkpoint"
            )
        if index >= _WARM_UP_STEPS:
            engine_ms.append((time.perf_counter() - started_s) * 1e3)
            for name, value in step.stage_ms.items():
                stages.setdefault(name, []).append(value)
        if index in naive_at:
            started_s = time.perf_counter()
            num_tokens = len(naive_text_act(engine.model, engine.processor, observation))
            _wait_for_device(engine)
            naive_ms.append((time.perf_counter() - started_s) * 1e3)
    # the first plain step warms up
    medians = {name: float(np.median(values)) for name, values in stages.items()}
    return engine_ms, medians, naive_ms[1:], num_tokens


def _prompt_tokens(engine: "Engine", num_frames: int) -> int:
    roles = ("rgb", "depth") * num_frames
    ages = [age for age in range(num_frames) for _ in range(2)]
    conversation = engine.processor.action_conversation(_INSTRUCTION, roles)
    return len(engine.processor.render(conversation, ages))


def _wait_for_device(engine: "Engine") -> None:
    import torch

    if next(engine.model.parameters()).device.type == "cuda":
        torch.cuda.synchronize()


def _describe_torch(engine: "Engine") -> dict[str, str | int]:
    import torch
    import transformers

    parameter = next(engine.model.parameters())
    on_cuda = parameter.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(parameter.device) if on_cuda else "cpu",
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _shown(observations: Iterator[Observation], total: int, what: str) -> Iterator[Observation]:
    from rich.console import Console

    # observations are made outside of the timed part, one by one
    yield from track(observations, what or "measuring", total=total, console=Console(stderr=True))
