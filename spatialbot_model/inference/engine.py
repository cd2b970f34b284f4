"""The engine: observations and questions in, actions and answers out, as fast as exactness allows.

One engine holds the weights; each instruction stream has a session with its own vision cache.
Sessions may be used from any threads, one step runs at a time.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.checkpoints import checkpoint_folder
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.history import HISTORY_LENGTH
from spatialbot_model.contracts.prompt_templates import image_user_text
from spatialbot_model.contracts.types import (
    CameraIntrinsics,
    Observation,
    PromptImage,
    RgbdFrame,
    RobotState,
)
from spatialbot_model.inference.action_answers import ActionAnswers
from spatialbot_model.inference.checkpoints import (
    check_checkpoint_spec,
    load_checkpoint,
    resolve_device,
    resolve_dtype,
)
from spatialbot_model.inference.constraints import FreeText
from spatialbot_model.inference.depth_loop import DepthTool, Dialogue, converse
from spatialbot_model.inference.image_encoder import ImageEncoder
from spatialbot_model.inference.options import ChatAnswer, EngineOptions, EngineStep
from spatialbot_model.inference.session import EngineSession, StepRequest
from spatialbot_model.inference.stage_clock import StageClock
from spatialbot_model.inference.token_model import Limits, PassTimes, Program, drive
from spatialbot_model.inference.torch_token_model import TorchTokenModel
from spatialbot_model.inference.vision_cache import VisionCache
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor

_LOCK_POLL_S = 0.02
_EXPECTED_REPLY_TOKENS = 64


class Engine:
    """See the module docstring; made by `load`, or from a model and its processor."""

    def __init__(
        self,
        model: SpatialBotForConditionalGeneration,
        processor: SpatialBotProcessor,
        options: EngineOptions,
    ) -> None:
        self.model, self.processor, self.options = model, processor, options
        self._device = next(model.parameters()).device
        self._images = ImageEncoder(
            model, processor, processor.frame_roles if options.depth_images else ("rgb",)
        )
        self._answers = ActionAnswers(processor, options)
        self._chat_constraint = FreeText(processor.layout)
        self._lock = threading.Lock()
        on_cuda = self._device.type == "cuda"
        self._tokens = TorchTokenModel(
            model,
            cache=options.cache,
            context_length=processor.context_length,
            cuda_graph=on_cuda and options.cuda_graph and options.cache == "static",
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        options: EngineOptions | None = None,
        *,
        action_spec: ActionSpec | None = None,
    ) -> "Engine":
        """Load a checkpoint folder.

        Args:
            action_spec: of the robot that will move by the answers; None to chat only.

        Raises:
            CheckpointError: the folder is no complete checkpoint, or was made for no robot.
            ActionSpecMismatchError: the checkpoint was made for another robot configuration.
            ConfigurationError: the device is not there, or the options do not fit.
        """
        options = options or EngineOptions()
        folder = checkpoint_folder(folder)
        if action_spec is not None:
            check_checkpoint_spec(folder, action_spec)
        device = resolve_device(options.device)
        model, processor = load_checkpoint(folder, device, resolve_dtype(options.dtype, device))
        return cls(model, processor, options)

    def warm_up(self) -> None:
        """Answer one step about black images, so that the first real one is not late."""
        intrinsics = CameraIntrinsics(32, 32, 32.0, 32.0, 16.0, 16.0)
        black = np.zeros((32, 32, 3), np.uint8)
        depth_mm = np.zeros((32, 32), np.uint16)
        frames = tuple(
            RgbdFrame(-age, black, depth_mm, intrinsics) for age in range(HISTORY_LENGTH)
        )
        robot = RobotState(np.eye(4), np.eye(4), 0.0, False)
        self.act(self.session(), Observation(frames, "wait", np.eye(4), robot))

    def session(self) -> EngineSession:
        """A new stream of observations."""
        return EngineSession(VisionCache(self.options.vision_cache))

    def act(
        self, session: EngineSession, observation: Observation, limits: Limits | None = None
    ) -> EngineStep:
        """Answer one control step.

        Raises:
            PolicyTimeoutError, PolicyCancelledError: given up between two passes; the session
                can be used on.
            ContextLengthError: prompt and answer do not fit the context.
            PolicyError: the model's output is not a number.
        """
        return self.act_batch([StepRequest(session, observation)], limits)[0]

    def act_batch(
        self, requests: Sequence[StepRequest], limits: Limits | None = None
    ) -> list[EngineStep]:
        """Answer one control step of several sessions in common passes.

        Args:
            limits: of the whole batch: the earliest deadline of its rows.

        Raises:
            See `act`.
        """
        limits = limits or Limits()
        if not requests:
            return []
        clock = StageClock(self._device)
        with self._exclusive(limits):
            prompts, features = [], []
            for request in requests:
                prompts.append(self._action_prompt(request, clock))
                features.append(
                    self._images.observation_tokens(
                        request.observation, request.session.vision_cache, limits, clock
                    )
                )
            programs = [
                self._answers.program(request.observation, prompt)
                for request, prompt in zip(requests, prompts, strict=True)
            ]
            states = [self._images.robot_state(request.observation) for request in requests]
            dialogues = self._drive(programs, prompts, features, limits, clock, states)
        return [self._answers.step(dialogue, clock.stage_ms) for dialogue in dialogues]

    def chat(
        self,
        images: Sequence[PromptImage],
        question: str,
        depth_mm: NDArray[np.unsignedinteger] | None = None,
        limits: Limits | None = None,
    ) -> ChatAnswer:
        """Answer a question about images.

        Args:
            images: zero to eight; the question may name them ``<image 1>`` .., else they stand
                before it.
            depth_mm: (H, W) unsigned millimetres that depths are looked up in; the first depth
                image when left out. Without any, depths cannot be asked for.

        Raises:
            See `act`; ConfigurationError when images and question do not fit.
        """
        return self.chat_batch([(images, question)], limits, depth_mm=depth_mm)[0]

    def chat_batch(
        self,
        requests: Sequence[tuple[Sequence[PromptImage], str]],
        limits: Limits | None = None,
        *,
        depth_mm: NDArray[np.unsignedinteger] | None = None,
    ) -> list[ChatAnswer]:
        """Answer several questions, each about images of its own, in common passes.

        Args:
            requests: images and question of each, as `chat` takes them.
            limits: of the whole batch.
            depth_mm: see `chat`; of all requests.

        Raises:
            See `chat`.
        """
        limits = limits or Limits()
        if not requests:
            return []
        clock = StageClock(self._device)
        conversations, prompts, features, programs = [], [], [], []
        with self._exclusive(limits):
            for images, question in requests:
                text = question
                if "<image" not in question:
                    text = image_user_text(question, len(images))
                roles = tuple(image.role for image in images)
                conversation = Conversation((Message("user", text),), roles)
                with clock.stage("preprocess"):
                    ages = [image.age for image in images]
                    prompt = tuple(self.processor.render(conversation, ages).ids.tolist())
                depths = (image.pixels for image in images if image.role == "depth")
                looked_up = next(depths, None) if depth_mm is None else depth_mm
                tool = None
                if looked_up is not None and self.options.max_depth_queries > 0:
                    tool = DepthTool(looked_up, self.options.max_depth_queries)
                features.append(self._images.image_tokens(tuple(images), clock))
                conversations.append(conversation)
                prompts.append(prompt)
                programs.append(
                    converse(
                        prompt,
                        replace(self._answers.turns, max_tokens=self.options.max_chat_tokens),
                        self._chat_constraint,
                        tool=tool,
                        clock=time.perf_counter,
                    )
                )
            dialogues = self._drive(programs, prompts, features, limits, clock)
        return [
            ChatAnswer(
                text=dialogue.text,
                conversation=replace(
                    conversation, messages=(*conversation.messages, *dialogue.messages)
                ),
                depth_answers=dialogue.depth_answers,
                limit_reached=dialogue.limit_reached,
                stage_ms=clock.stage_ms,
            )
            for conversation, dialogue in zip(conversations, dialogues, strict=True)
        ]

    def prompt_images(self, observation: Observation) -> tuple[PromptImage, ...]:
        """The images of an observation in the order of the prompt."""
        return self._images.prompt_images(observation)

    def _action_prompt(self, request: StepRequest, clock: StageClock) -> tuple[int, ...]:
        observation, session = request.observation, request.session
        num_frames, roles = len(observation.frames), self._images.roles
        key = (observation.instruction, num_frames)
        ids = session.remembered_prompt(key)
        if ids is None:
            with clock.stage("preprocess"):
                ages = [age for age in range(num_frames) for _ in roles]
                conversation = self.processor.action_conversation(
                    observation.instruction, roles * num_frames
                )
                ids = tuple(self.processor.render(conversation, ages).ids.tolist())
            session.remember_prompt(key, ids)
        return ids

    def _drive(
        self,
        programs: Sequence[Program[Dialogue]],
        prompts: Sequence[tuple[int, ...]],
        features: Sequence[torch.Tensor | None],
        limits: Limits,
        clock: StageClock,
        robot_states: Sequence[torch.Tensor | None] | None = None,
    ) -> list[Dialogue]:
        num_tokens = max(map(len, prompts)) + _EXPECTED_REPLY_TOKENS
        self._tokens.begin(features, num_tokens, robot_states)
        times = PassTimes()
        dialogues = drive(programs, self._tokens, limits, times)
        clock.stage_ms["prefill"] += times.first_ms
        clock.stage_ms["decode"] += times.later_ms
        clock.stage_ms["tool"] += sum(dialogue.tool_ms for dialogue in dialogues)
        return dialogues

    @contextmanager
    def _exclusive(self, limits: Limits) -> Iterator[None]:
        """Wait for the engine, but not beyond the deadline."""
        while not self._lock.acquire(timeout=_LOCK_POLL_S):
            limits.check()
        try:
            limits.check()
            yield
        finally:
            self._lock.release()
