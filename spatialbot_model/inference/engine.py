"""The engine: observations and questions in, actions and answers out, as fast as exactness allows.

One engine holds the weights; each instruction stream has a session with its own vision cache.
Sessions may be used from any threads, one pass runs at a time.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.history import HISTORY_LENGTH
from spatialbot_model.contracts.prompt_templates import image_user_text
from spatialbot_model.contracts.types import (
    IMAGE_ROLES,
    CameraIntrinsics,
    ImageRole,
    Observation,
    PromptImage,
    RgbdFrame,
)
from spatialbot_model.inference.checkpoints import (
    check_checkpoint_spec,
    load_checkpoint,
    resolve_device,
    resolve_dtype,
)
from spatialbot_model.inference.constraints import (
    Constraint,
    FreeText,
    ReplyConstraint,
    SpokenActionConstraint,
)
from spatialbot_model.inference.depth_loop import DepthTool, Dialogue, TurnSettings, converse
from spatialbot_model.inference.options import (
    STAGES,
    ChatAnswer,
    EngineOptions,
    EngineStep,
    spoken_action,
)
from spatialbot_model.inference.token_model import Limits, PassTimes, Program, drive
from spatialbot_model.inference.torch_token_model import TorchTokenModel
from spatialbot_model.inference.vision_cache import VisionCache
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor

_LOCK_POLL_S = 0.02
_EXPECTED_REPLY_TOKENS = 64


class EngineSession:
    """One stream of observations; forget it with `reset` when an instruction starts."""

    def __init__(self, vision_cache: VisionCache) -> None:
        self.vision_cache = vision_cache
        self._prompt: tuple[tuple[str, int], tuple[int, ...]] | None = None

    def reset(self) -> None:
        """Forget all frames."""
        self.vision_cache.clear()
        self._prompt = None

    def remembered_prompt(self, key: tuple[str, int]) -> tuple[int, ...] | None:
        """Ids of the prompt rendered last, if it was for the same question."""
        return self._prompt[1] if self._prompt is not None and self._prompt[0] == key else None

    def remember_prompt(self, key: tuple[str, int], ids: tuple[int, ...]) -> None:
        """Keep a rendered prompt for the next step."""
        self._prompt = (key, ids)


@dataclass(frozen=True, slots=True, eq=False)
class StepRequest:
    """One row of a batch."""

    session: EngineSession
    observation: Observation


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
        self._roles: tuple[ImageRole, ...] = IMAGE_ROLES if options.depth_images else ("rgb",)
        self._lock = threading.Lock()
        on_cuda = self._device.type == "cuda"
        self._tokens = TorchTokenModel(
            model,
            cache=options.cache,
            context_length=processor.context_length,
            cuda_graph=on_cuda and options.cuda_graph and options.cache == "static",
        )
        self._has_actions = processor.action_form == "tokens"
        encoder, layout = processor.encoder, processor.layout
        self._parallel = _decodes_in_parallel(options, processor)
        self._free: Constraint
        self._forced: Constraint | None
        actions = None
        if self._has_actions:
            self._grammar = ReplyConstraint(encoder, layout)
            self._free = ReplyConstraint(encoder, layout, free_text=True)
            self._forced = self._grammar
            actions = self._grammar.actions
        else:
            self._free = FreeText(layout, encoder.encode(" The robot should <"))
            self._forced = _spoken_action_constraint(processor)
        self._chat_constraint = FreeText(layout)
        self._turns = TurnSettings(
            encoder,
            layout,
            processor.prompt_template,
            options.max_action_tokens,
            actions,
            layout.action_query if self._parallel else None,
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
        self.act(self.session(), Observation(frames, "wait", np.eye(4)))

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
        with self._exclusive(limits):
            stage_ms = dict.fromkeys(STAGES, 0.0)
            prompts, features = [], []
            for request in requests:
                prompts.append(self._action_prompt(request, stage_ms))
                features.append(self._features(request, limits, stage_ms))
            programs = [
                self._action_program(request.observation, prompt)
                for request, prompt in zip(requests, prompts, strict=True)
            ]
            dialogues = self._drive(programs, prompts, features, limits, stage_ms)
        return [self._step(dialogue, stage_ms) for dialogue in dialogues]

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
        limits = limits or Limits()
        images = tuple(images)
        if depth_mm is None:
            depth_mm = next((image.pixels for image in images if image.role == "depth"), None)
        text = question if "<image" in question else image_user_text(question, len(images))
        conversation = Conversation((Message("user", text),), tuple(image.role for image in images))
        stage_ms = dict.fromkeys(STAGES, 0.0)
        with self._exclusive(limits):
            with self._stage("preprocess", stage_ms):
                ages = [image.age for image in images]
                prompt = tuple(self.processor.render(conversation, ages).ids.tolist())
            features = self._chat_features(images, stage_ms)
            tool = None
            if depth_mm is not None and self.options.max_depth_queries > 0:
                tool = DepthTool(depth_mm, self.options.max_depth_queries)
            program = converse(
                prompt,
                replace(self._turns, max_tokens=self.options.max_chat_tokens, action_query=None),
                self._chat_constraint,
                tool=tool,
                clock=time.perf_counter,
            )
            (dialogue,) = self._drive([program], [prompt], [features], limits, stage_ms)
        return ChatAnswer(
            text=dialogue.text,
            conversation=replace(
                conversation, messages=(*conversation.messages, *dialogue.messages)
            ),
            depth_answers=dialogue.depth_answers,
            limit_reached=dialogue.limit_reached,
            stage_ms=stage_ms,
        )

    def prompt_images(self, observation: Observation) -> tuple[PromptImage, ...]:
        """The images of an observation in the order of the prompt."""
        return tuple(
            image
            for age, frame in enumerate(observation.frames)
            for image in self._frame_images(frame, age)
        )

    def _action_prompt(self, request: StepRequest, stage_ms: dict[str, float]) -> tuple[int, ...]:
        observation, session = request.observation, request.session
        key = (observation.instruction, len(observation.frames))
        ids = session.remembered_prompt(key)
        if ids is None:
            with self._stage("preprocess", stage_ms):
                ages = [a for a in range(len(observation.frames)) for _ in self._roles]
                conversation = self.processor.action_conversation(
                    observation.instruction, self._roles * len(observation.frames)
                )
                ids = tuple(self.processor.render(conversation, ages).ids.tolist())
            session.remember_prompt(key, ids)
        return ids

    def _features(
        self, request: StepRequest, limits: Limits, stage_ms: dict[str, float]
    ) -> torch.Tensor:
        """(sum n_i, D) image tokens of an observation, in prompt order."""
        frames = request.observation.frames

        def encode(frame: RgbdFrame) -> torch.Tensor:
            limits.check()
            return self._encode(self._frame_images(frame, 0), stage_ms)

        features = request.session.vision_cache.features(frames, encode)
        with self._stage("encode", stage_ms), torch.inference_mode():
            roles = [IMAGE_ROLES.index(role) for role in self._roles] * len(frames)
            ages = [age for age in range(len(frames)) for _ in self._roles]
            return torch.cat(self.model.image_tokens(torch.cat(features), roles, ages))

    def _chat_features(
        self, images: Sequence[PromptImage], stage_ms: dict[str, float]
    ) -> torch.Tensor | None:
        if not images:
            return None
        features = self._encode(images, stage_ms)
        with self._stage("encode", stage_ms), torch.inference_mode():
            roles = [IMAGE_ROLES.index(image.role) for image in images]
            ages = [image.age for image in images]
            return torch.cat(self.model.image_tokens(features, roles, ages))

    def _encode(self, images: Sequence[PromptImage], stage_ms: dict[str, float]) -> torch.Tensor:
        with self._stage("preprocess", stage_ms):
            pixels = self.processor.pixel_values(images)
        with self._stage("encode", stage_ms), torch.inference_mode():
            return self.model.encode_images(pixels.to(self._device, self.model.dtype))

    def _frame_images(self, frame: RgbdFrame, age: int) -> tuple[PromptImage, ...]:
        return tuple(
            PromptImage(role, frame.color if role == "rgb" else frame.depth_mm, age)
            for role in self._roles
        )

    def _action_program(
        self, observation: Observation, prompt: tuple[int, ...]
    ) -> Program[Dialogue]:
        wanted, rounds = self.options.depth_tool, self.options.max_depth_queries
        if wanted == "auto":
            wanted = rounds > 0 and self.processor.depth_tool
        tool = DepthTool(observation.newest.depth_mm, rounds) if wanted else None
        # text answers are bound to the grammar only after the last depth round
        forced = self._forced if tool is not None or self._has_actions else None
        return converse(
            prompt, self._turns, self._free, forced=forced, tool=tool, clock=time.perf_counter
        )

    def _drive(
        self,
        programs: Sequence[Program[Dialogue]],
        prompts: Sequence[tuple[int, ...]],
        features: Sequence[torch.Tensor | None],
        limits: Limits,
        stage_ms: dict[str, float],
    ) -> list[Dialogue]:
        self._tokens.begin(features, max(map(len, prompts)) + _EXPECTED_REPLY_TOKENS)
        times = PassTimes()
        dialogues = drive(programs, self._tokens, limits, times)
        stage_ms["prefill"] += times.first_ms
        stage_ms["decode"] += times.later_ms
        stage_ms["tool"] += sum(dialogue.tool_ms for dialogue in dialogues)
        return dialogues

    def _step(self, dialogue: Dialogue, stage_ms: dict[str, float]) -> EngineStep:
        bins = self._grammar.action_bins(dialogue.last.ids) if self._has_actions else None
        return EngineStep(
            text=dialogue.text if bins is None else spoken_action(bins),
            bins=bins,
            action_probabilities=dialogue.last.probabilities if bins is not None else (),
            depth_answers=dialogue.depth_answers,
            num_rounds=dialogue.num_rounds,
            limit_reached=dialogue.limit_reached,
            stage_ms=dict(stage_ms),
            reply_ids=dialogue.last.ids,
        )

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

    @contextmanager
    def _stage(self, name: str, stage_ms: dict[str, float]) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        stage_ms[name] += (time.perf_counter() - started_s) * 1e3


def _decodes_in_parallel(options: EngineOptions, processor: SpatialBotProcessor) -> bool:
    if options.decode == "sequential" or not processor.parallel_actions:
        if options.decode == "parallel":
            raise ConfigurationError(
                "this checkpoint was not trained to decode seven actions at once; use decode auto"
                " or sequential"
            )
        return False
    return True


def _spoken_action_constraint(processor: SpatialBotProcessor) -> Constraint | None:
    try:
        return SpokenActionConstraint(processor.encoder, processor.layout)
    except ConfigurationError:
        # such a tokenizer's model is never made to act; the arm holds on what it says instead
        return None
