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
from spatialbot_model.contracts.types import Observation
from spatialbot_ros.benchmarks.result import BenchmarkResult, describe_machine
from spatialbot_ros.benchmarks.synthetic_frames import synthetic_frames
from spatialbot_ros.configuration import load_action_spec

if TYPE_CHECKING:
    from spatialbot_model.inference.engine import Engine

_INSTRUCTION = "pick up the red cube and put it on the left cutting board"
_WARM_UP_STEPS = 3


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
    seed: int = 0,
) -> BenchmarkResult:
    """Measure.

    Args:
        preset: model that is made with random language weights, unless `checkpoint` is given.
        checkpoint: folder of the model to measure.
        tokenizer: folder, for presets that do not ship one.
        num_steps, num_naive_steps: timed steps of the engine and of the plain way.
        num_compared: random observations on which both must give the same tokens.
        num_frames: frames of an observation.
        parallel: 1 = measure the decoding of all seven action tokens in one pass.
    """
    if num_naive_steps < 1 or num_steps < 1:
        raise ConfigurationError("num_steps and num_naive_steps must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="spatialbot_bench_") as scratch:
        folder = Path(checkpoint) if checkpoint else Path(scratch) / "model"
        if not checkpoint:
            _make_checkpoint(folder, preset, tokenizer, seed, bool(parallel))
        engine = _load(folder, device, dtype)
        num_equal = _compare(engine, num_compared, num_frames, seed)
        engine_ms, stage_ms = _time_engine(engine, num_steps, num_frames, seed)
        naive_ms, num_text_tokens = _time_naive(engine, num_naive_steps, num_frames, seed)
    figures = {
        "engine_p50_ms": float(np.median(engine_ms)),
        "engine_p95_ms": float(np.percentile(engine_ms, 95)),
        "naive_p50_ms": float(np.median(naive_ms)),
        "naive_p95_ms": float(np.percentile(naive_ms, 95)),
        "naive_over_engine_p50": float(np.median(naive_ms) / np.median(engine_ms)),
        "compared": float(num_compared),
        "equal_token_for_token": float(num_equal),
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


def _make_checkpoint(folder: Path, preset: str, tokenizer: str, seed: int, parallel: bool) -> None:
    from spatialbot_model.inference.checkpoints import create_checkpoint

    create_checkpoint(
        preset,
        folder,
        seed=seed,
        action_spec=load_action_spec(),
        tokenizer=tokenizer or None,
        parallel_actions=parallel,
    )


def _load(folder: Path, device: str, dtype: str) -> "Engine":
    from spatialbot_model.inference.engine import Engine
    from spatialbot_model.inference.options import DTYPES, EngineOptions

    known = next((name for name in DTYPES if name == dtype), None)
    if known is None:
        raise ConfigurationError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
    return Engine.load(folder, EngineOptions(device=device, dtype=known, depth_tool=False))


def _observations(num: int, num_frames: int, seed: int) -> Iterator[Observation]:
    """A camera at 10 Hz: each observation has one frame that the one before has not."""
    history = FrameHistory(num_frames)
    for index, frame in enumerate(synthetic_frames(num + num_frames - 1, seed)):
        history.push(frame)
        if index >= num_frames - 1:
            yield Observation(history.frames(), _INSTRUCTION, np.eye(4))


def _compare(engine: "Engine", num: int, num_frames: int, seed: int) -> int:
    """On how many observations engine and `generate` answer with the same tokens."""
    from spatialbot_model.inference.constraints import ReplyConstraint
    from spatialbot_model.inference.naive import naive_act

    processor = engine.processor
    if num == 0 or processor.action_form != "tokens" or processor.parallel_actions:
        return 0
    constraint = ReplyConstraint(processor.encoder, processor.layout)
    session, num_equal = engine.session(), 0
    for observation in _shown(_observations(num, num_frames, seed + 1), num, "comparing"):
        reply = engine.act(session, observation).reply_ids
        num_equal += naive_act(engine.model, processor, observation, constraint).reply_ids == reply
    return num_equal


def _time_engine(
    engine: "Engine", num: int, num_frames: int, seed: int
) -> tuple[list[float], dict[str, float]]:
    session = engine.session()
    times_ms: list[float] = []
    stages: dict[str, list[float]] = {}
    total = num + _WARM_UP_STEPS
    for index, observation in enumerate(
        _shown(_observations(total, num_frames, seed), total, "engine")
    ):
        started_s = time.perf_counter()
        step = engine.act(session, observation)
        _wait_for_device(engine)
        if index >= _WARM_UP_STEPS:
            times_ms.append((time.perf_counter() - started_s) * 1e3)
            for name, value in step.stage_ms.items():
                stages.setdefault(name, []).append(value)
    return times_ms, {name: float(np.median(values)) for name, values in stages.items()}


def _time_naive(engine: "Engine", num: int, num_frames: int, seed: int) -> tuple[list[float], int]:
    from spatialbot_model.inference.naive import naive_text_act

    times_ms: list[float] = []
    num_tokens = 0
    total = num + 1
    for index, observation in enumerate(
        _shown(_observations(total, num_frames, seed), total, "plain generate")
    ):
        started_s = time.perf_counter()
        num_tokens = len(naive_text_act(engine.model, engine.processor, observation))
        _wait_for_device(engine)
        if index > 0:
            times_ms.append((time.perf_counter() - started_s) * 1e3)
    return times_ms, num_tokens


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
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _shown(observations: Iterator[Observation], total: int, what: str) -> Iterator[Observation]:
    from rich.console import Console

    # observations are made outside of the timed part, one by one
    yield from track(observations, what, total=total, console=Console(stderr=True))
