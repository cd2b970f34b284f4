"""How an engine runs, and what it answers with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spatialbot_model.contracts.conversation import Conversation
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.types import DepthAnswer
from spatialbot_model.inference.kv_cache import CACHE_KINDS, CacheKind

Dtype = Literal["auto", "float32", "bfloat16"]
Decode = Literal["auto", "sequential", "parallel"]

DTYPES: tuple[Dtype, ...] = ("auto", "float32", "bfloat16")
DECODES: tuple[Decode, ...] = ("auto", "sequential", "parallel")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine runs.

    Attributes:
        device: auto, cpu, cuda or cuda:N.
        dtype: auto = bfloat16 on CUDA and float32 on the CPU. There bfloat16 measured a third
            faster with the small model, but its rounding lets answers depend on how a prompt was
            computed (55 of 60 random ones equal to plain `generate`, 60 of 60 in float32).
        cache: static = buffers that are allocated once; dynamic = transformers' growing cache.
        vision_cache: whether features of frames seen before are kept.
        max_depth_queries: rounds of the depth tool per step or chat.
        depth_tool: whether actions may be preceded by depth queries; auto = as the checkpoint
            was trained. Weights with action tokens are bound to the action sentence without it.
        decode: seven actions one by one, or in one pass; auto = as the checkpoint was trained.
        depth_images: show depth images beside the colour ones.
        cuda_graph: decode single tokens by a captured graph; without effect on the CPU.
        max_action_tokens: longest answer of the model in one turn of a control step.
        max_chat_tokens: longest answer of the model in one turn of a chat.

    Raises:
        ConfigurationError: a value that cannot be used.
    """

    device: str = "auto"
    dtype: Dtype = "auto"
    cache: CacheKind = "static"
    vision_cache: bool = True
    max_depth_queries: int = 3
    depth_tool: bool | Literal["auto"] = "auto"
    decode: Decode = "auto"
    depth_images: bool = True
    cuda_graph: bool = True
    max_action_tokens: int = 128
    max_chat_tokens: int = 256

    def __post_init__(self) -> None:
        for name, known in (("dtype", DTYPES), ("cache", CACHE_KINDS), ("decode", DECODES)):
            if getattr(self, name) not in known:
                raise UnknownNameError(f"engine option {name}", str(getattr(self, name)), known)
        if self.max_depth_queries < 0 or min(self.max_action_tokens, self.max_chat_tokens) < 16:
            raise ConfigurationError(
                f"engine options: max_depth_queries {self.max_depth_queries} must not be negative,"
                f" max_action_tokens {self.max_action_tokens} and max_chat_tokens"
                f" {self.max_chat_tokens} must be 16 or more"
            )


@dataclass(frozen=True, slots=True)
class EngineStep:
    """One answered control step.

    Attributes:
        text: the answer in text form, e.g. ``The robot should <0.17, ...>.``; what the model
            said as it is when that is no action.
        bins: (7,) of the action, None for every other answer.
        action_probabilities: (7,) of each chosen bin among the 101; empty for text answers.
        depth_answers: of all rounds of the depth tool.
        num_rounds: rounds of the depth tool.
        limit_reached: the answer was cut, or the model still asked when it had to answer.
        stage_ms: wall milliseconds by `STAGES`; of the whole batch when batched.
        reply_ids: tokens of the last answer.
    """

    text: str
    bins: tuple[int, ...] | None
    action_probabilities: tuple[float, ...]
    depth_answers: tuple[DepthAnswer, ...]
    num_rounds: int
    limit_reached: bool
    stage_ms: Mapping[str, float]
    reply_ids: tuple[int, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answered question.

    Attributes:
        text: the model's last answer.
        conversation: the question and all turns after it, tool turns included.
        depth_answers: of all rounds.
        limit_reached: the answer was cut, or the model still asked when its rounds were used up.
        stage_ms: wall milliseconds by `STAGES`.
    """

    text: str
    conversation: Conversation
    depth_answers: tuple[DepthAnswer, ...]
    limit_reached: bool
    stage_ms: Mapping[str, float]
