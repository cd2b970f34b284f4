"""The depth tool: answers that call `Depth(x,y)` are answered, and the model goes on.

The turn with the depths is appended to the tokens that the model has already read, so a round
costs the tokens of the question and the answer and nothing is read twice. Rounds are bounded:
after the last one an action is forced, and a chat ends.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.conversation import (
    Message,
    TextEncoder,
    TokenLayout,
    decode_reply,
)
from spatialbot_model.contracts.depth_tool import answer_depth_calls
from spatialbot_model.contracts.prompt_templates import PromptTemplate
from spatialbot_model.contracts.types import DepthAnswer
from spatialbot_model.inference.constraints import Constraint
from spatialbot_model.inference.decoding import DecodedReply, Row, decode_reply_ids
from spatialbot_model.inference.token_model import Program

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class DepthTool:
    """Where depths are looked up and how often.

    Attributes:
        depth_mm: (H, W) unsigned millimetres, 0 = no return: the image that the model was
            shown, at its original size.
        max_rounds: answers of the model that may call the tool.
    """

    depth_mm: NDArray[np.unsignedinteger]
    max_rounds: int


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How turns are written and decoded.

    Attributes:
        encoder, layout, template: of the checkpoint.
        max_tokens: longest answer of the model.
        actions: ids of the action tokens, None without.
        action_query: asks for seven actions at once, None to decode one by one.
        waypoint_queries: as many queries more stand before those seven.
    """

    encoder: TextEncoder
    layout: TokenLayout
    template: PromptTemplate
    max_tokens: int
    actions: range | None = None
    action_query: int | None = None
    waypoint_queries: int = 0

    def tool_turn(self, answer: str) -> list[int]:
        """Ids of a tool's turn up to where the model's next answer begins."""
        template = self.template
        return self.encoder.encode(
            f"{template.user_prefix}{answer}{template.user_suffix}{template.assistant_prefix}"
        )


@dataclass(slots=True)
class Dialogue:
    """What was said after the prompt.

    Attributes:
        last: the model's last answer.
        text: its text.
        messages: all turns after the prompt, the last answer included.
        depth_answers: of all rounds.
        num_rounds: times the tool was used.
        limit_reached: the model still asked when its rounds were used up, or its last answer was
            cut at the longest length.
        tool_ms: wall milliseconds spent in the tool.
    """

    last: DecodedReply = field(default_factory=lambda: DecodedReply((), (), False))
    text: str = ""
    messages: list[Message] = field(default_factory=list)
    depth_answers: tuple[DepthAnswer, ...] = ()
    num_rounds: int = 0
    limit_reached: bool = False
    tool_ms: float = 0.0


def converse(
    prompt_ids: tuple[int, ...],
    settings: TurnSettings,
    free: Constraint,
    *,
    forced: Constraint | None = None,
    tool: DepthTool | None = None,
    clock: Callable[[], float],
) -> Program[Dialogue]:
    """Decode the model's answer to a prompt, depth rounds included.

    Args:
        free: of answers while the tool may be called.
        forced: of the answer when it may not: without a tool, and after the last round. None:
            the dialogue ends there, as it does in a chat.
        tool: None = depth cannot be asked for, and calls are text like any other.
        clock: seconds, for `Dialogue.tool_ms`.
    """
    dialogue = Dialogue()
    row = Row(0, list(prompt_ids))
    while True:
        may_ask = tool is not None and dialogue.num_rounds < tool.max_rounds
        constraint = free if may_ask or forced is None else forced
        reply = yield from decode_reply_ids(
            row,
            constraint,
            max_tokens=settings.max_tokens,
            actions=settings.actions,
            action_query=settings.action_query if constraint.draft else None,
            waypoint_queries=settings.waypoint_queries,
        )
        dialogue.last = reply
        dialogue.text = decode_reply(reply.ids, settings.encoder, settings.layout)
        dialogue.messages.append(Message("assistant", dialogue.text))
        started_s = clock()
        answer: str = ""
        found: tuple[DepthAnswer, ...] = ()
        # an action is final, whatever was said before it
        if tool is not None and constraint is not forced and not reply.probabilities:
            answer, found = answer_depth_calls(dialogue.text, tool.depth_mm)
        dialogue.tool_ms += (clock() - started_s) * 1e3
        dialogue.limit_reached = not reply.complete or (bool(answer) and not may_ask)
        if not answer or not may_ask:
            return dialogue
        dialogue.num_rounds += 1
        dialogue.depth_answers += found
        dialogue.messages.append(Message("tool", answer))
        _LOGGER.info("depth round %d: %r -> %r", dialogue.num_rounds, dialogue.text, answer)
        if not reply.complete:
            # an answer that was cut in the middle is closed like any other turn
            row.pending.append(settings.layout.end)
        row.pending += settings.tool_turn(answer)
