"""Greedy decoding of one answer under a constraint, with a verified draft.

The usual start of an answer is read together with the prompt. Each of its tokens is compared
with the greedy choice at its place; from the first that differs on, the row is cut and decoded
token by token. So the answer is always the one that plain greedy decoding gives, in fewer
passes: an action of seven tokens takes the prompt's pass and six more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from spatialbot_model.contracts.errors import PolicyError
from spatialbot_model.inference.constraints import NUM_ACTIONS, Constraint
from spatialbot_model.inference.token_model import Pass, Program


@dataclass(slots=True)
class Row:
    """What a row of the model has read and what it still has to.

    Attributes:
        length: tokens read.
        pending: tokens decided on and not read yet.
    """

    length: int
    pending: list[int]


@dataclass(frozen=True, slots=True)
class DecodedReply:
    """One answer.

    Attributes:
        ids: with its end token, unless `complete` is False.
        probabilities: of each token that was chosen among action tokens, over those 101.
        complete: whether the constraint closed it; False when `max_tokens` did.
    """

    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    complete: bool


def greedy(logits_V: torch.Tensor, allowed: Sequence[int], columns: range | None = None) -> int:
    """The likeliest allowed id; the lowest of equals.

    Args:
        logits_V: of the ids in `columns`, or of all ids.
    """
    first = 0 if columns is None else columns.start
    if isinstance(allowed, range) and allowed.step == 1:
        window = logits_V[allowed.start - first : allowed.stop - first]
        return allowed.start + int(window.argmax())
    if len(allowed) == 1:
        return allowed[0]
    places = torch.tensor([k - first for k in allowed], device=logits_V.device)
    return allowed[int(logits_V[places].argmax())]


def probability(logits_V: torch.Tensor, token: int, actions: range, columns: range | None) -> float:
    """Of an action token, among the action tokens.

    Raises:
        PolicyError: the model's output is not a number.
    """
    first = actions.start - (0 if columns is None else columns.start)
    window = logits_V[first : first + len(actions)].float()
    value = float(torch.softmax(window, dim=-1)[token - actions.start])
    if not value == value:
        raise PolicyError(
            "the model's output is not a number (NaN or infinite), so no action was read from it;"
            " check the weights, or use float32 instead of bfloat16"
        )
    return value


def decode_reply_ids(
    row: Row,
    constraint: Constraint,
    *,
    max_tokens: int,
    actions: range | None = None,
    action_query: int | None = None,
    waypoint_queries: int = 0,
) -> Program[DecodedReply]:
    """Decode one answer behind what `row` has read and has pending.

    Afterwards `row.pending` holds what was decided and is not read yet; it goes in front of
    whatever follows.

    Args:
        row: with at least one token pending.
        max_tokens: an answer that is longer is left incomplete.
        actions: the ids of action tokens; None for weights without any.
        action_query: asks for all seven actions in the pass that verifies the draft; None to
            decode them one after another.
        waypoint_queries: read before those seven; what they know shows in the seven.

    Raises:
        PolicyError: the model's output is not a number.
    """
    draft = constraint.draft
    queries = () if action_query is None else (action_query,) * (waypoint_queries + NUM_ACTIONS)
    base = row.length + len(row.pending)
    logits = yield Pass(
        (*row.pending, *draft, *queries),
        row.length,
        num_logits=1 + len(draft) + len(queries),
        num_queries=len(queries),
    )
    reply: list[int] = []
    probabilities: list[float] = []
    while len(reply) < len(draft):
        choice = greedy(logits[len(reply)], constraint.allowed(reply))
        if choice != draft[len(reply)]:
            break
        reply.append(choice)
    row.length, row.pending = base + len(reply), []
    position = logits[len(reply)]
    if queries and len(reply) == len(draft):
        assert actions is not None
        for logits_V in logits[-NUM_ACTIONS:]:
            token = greedy(logits_V, actions)
            reply.append(token)
            row.pending.append(token)
            probabilities.append(probability(logits_V, token, actions, None))
    columns: range | None = None
    fresh = not row.pending
    while allowed := constraint.allowed(reply):
        if len(reply) >= max_tokens:
            return DecodedReply(tuple(reply), tuple(probabilities), complete=False)
        if len(allowed) > 1:
            if not fresh:
                columns = allowed if isinstance(allowed, range) else None
                position = (yield Pass(tuple(row.pending), row.length, columns=columns))[-1]
                row.length += len(row.pending)
                row.pending = []
            token = greedy(position, allowed, columns)
            if actions is not None and allowed == actions:
                probabilities.append(probability(position, token, actions, columns))
        else:
            token = allowed[0]
        reply.append(token)
        row.pending.append(token)
        fresh = False
    return DecodedReply(tuple(reply), tuple(probabilities), complete=True)
