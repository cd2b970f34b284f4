"""The model in this process as a policy.

Policies of the same checkpoint on the same device share one engine, and each has a session of
its own; the weights go when the last of them is closed.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from spatialbot_model.checkpoints import checkpoint_folder
from spatialbot_model.contracts.errors import (
    PolicyCancelledError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import PolicyConfig

if TYPE_CHECKING:
    from spatialbot_model.inference.engine import Engine
    from spatialbot_model.inference.options import EngineOptions, EngineStep

_Key = tuple[str, "EngineOptions"]


class _SharedEngines:
    """Engines in use, by checkpoint and options, with the number of their users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[_Key, tuple[Engine, int]] = {}

    def borrow(self, key: _Key, load: Callable[[], "Engine"]) -> "Engine":
        """The engine of a key, loaded by its first user."""
        with self._lock:
            engine, users = self._engines.get(key) or (load(), 0)
            self._engines[key] = (engine, users + 1)
            return engine

    def give_back(self, key: _Key) -> None:
        """One user less; the last one drops the engine."""
        with self._lock:
            engine, users = self._engines.pop(key)
            if users > 1:
                self._engines[key] = (engine, users - 1)


_ENGINES = _SharedEngines()


class LocalPolicy:
    """See the module docstring; implements `policies.base.Policy`. Made by `open`."""

    resumes_from_frames = True

    def __init__(
        self, engine: "Engine", config: PolicyConfig, give_back: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._session = engine.session()
        self._config = config
        self._give_back: Callable[[], None] | None = give_back
        self._closed = threading.Event()

    @classmethod
    def open(cls, config: PolicyConfig, options: "EngineOptions | None" = None) -> "LocalPolicy":
        """Load the checkpoint of a configuration, by default the shipped one, or share it.

        Args:
            options: of the engine; device and depth rounds are the configuration's.

        Raises:
            ConfigurationError: the device is not there.
            CheckpointError: it is no complete checkpoint that may move a robot.
            ActionSpecMismatchError: it was made for another robot configuration.
        """
        from dataclasses import replace

        from spatialbot_model.inference.threads import use_threads, wait_passively

        wait_passively()
        from spatialbot_model.inference.checkpoints import check_checkpoint_spec
        from spatialbot_model.inference.engine import Engine
        from spatialbot_model.inference.options import EngineOptions

        folder = str(checkpoint_folder(config.checkpoint or "default"))
        options = replace(
            options or EngineOptions(),
            device=config.device,
            max_depth_queries=config.max_depth_queries,
        )
        # also when the weights are loaded already: another robot may have borrowed them
        check_checkpoint_spec(folder, config.action_spec)
        key = (folder, options)

        def load() -> Engine:
            use_threads(config.num_threads)
            engine = Engine.load(folder, options)
            engine.warm_up()
            return engine

        return cls(_ENGINES.borrow(key, load), config, lambda: _ENGINES.give_back(key))

    def start(self, instruction: str) -> None:
        """See `Policy`; a model reads any words.

        Raises:
            UnreadableInstructionError: there are none.
        """
        if not instruction.strip():
            raise UnreadableInstructionError(
                "the instruction is empty; say what the robot should do, such as 'pick up the red"
                " cube'"
            )
        self._session.reset()

    def step(self, observation: Observation) -> PolicyStep:
        """See `Policy`.

        Raises:
            PolicyTimeoutError: not answered within `timeout_s` of the configuration.
            PolicyCancelledError: the policy was closed.
            PolicyError: the model's output is not a number.
            ContextLengthError: instruction and images do not fit the model.
        """
        from spatialbot_model.inference.token_model import Limits

        if self._give_back is None:
            raise PolicyCancelledError("the policy is closed; make a new one")
        limits = Limits(time.monotonic() + self._config.timeout_s, self._closed)
        step = self._engine.act(self._session, observation, limits)
        return PolicyStep(
            text=step.text,
            observation_stamp_ns=observation.newest.stamp_ns,
            depth_answers=step.depth_answers,
            stage=_stage(step),
            stage_ms=step.stage_ms,
            action_probabilities=step.action_probabilities,
        )

    def close(self) -> None:
        """See `Policy`; a step that is running in another thread ends."""
        self._closed.set()
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


def _stage(step: "EngineStep") -> str:
    """What the policy did, for people."""
    if step.num_rounds == 0:
        return "act"
    return f"act after {step.num_rounds} depth round{'s' if step.num_rounds > 1 else ''}"
