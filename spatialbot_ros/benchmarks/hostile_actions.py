"""Seeded random and adversarial actions: what a broken policy might send."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_ros.safety_records import ActionRequest

_KINDS = (
    ("random", 0.30),
    ("corner", 0.14),
    ("push", 0.16),
    ("oscillate", 0.10),
    ("burst", 0.14),
    ("pause", 0.02),
    ("broken", 0.14),
)
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Move:
    """One action and what it is.

    Attributes:
        request: what to submit; its stamps are relative to now (0 = now) until `stamped`.
        wait_s: robot time to pass afterwards.
        broken: it has to be refused.
    """

    kind: str
    request: ActionRequest
    wait_s: float
    broken: bool = False

    def stamped(self, now_ns: int) -> ActionRequest:
        """The request as it is sent at a time."""
        shift_ns = self.request.observation_stamp_ns
        return replace(self.request, observation_stamp_ns=now_ns + shift_ns)


def hostile_actions(num_actions: int, seed: int, spec: ActionSpec) -> Iterator[Move]:
    """`num_actions` moves; the same for the same seed."""
    rng = np.random.default_rng(seed)
    names = [name for name, _ in _KINDS]
    shares = np.array([share for _, share in _KINDS])
    sequence = 0
    while sequence < num_actions:
        kind = str(rng.choice(names, p=shares / shares.sum()))
        for bins, wait_s in _plan(kind, rng):
            if sequence >= num_actions:
                return
            sequence += 1
            action = DeltaAction(bins, spec)
            request = ActionRequest.from_action(action, sequence, -int(rng.integers(0, _S // 5)))
            if kind == "broken":
                broken = _break(request, rng)
                yield Move(kind, broken, wait_s, broken=True)
            else:
                yield Move(kind, request, wait_s)


def _plan(kind: str, rng: np.random.Generator) -> Iterator[tuple[tuple[int, ...], float]]:
    """Bins and waiting times of one attack."""
    gripper = int(100 * rng.integers(0, 2))
    period_s = float(rng.uniform(0.03, 0.12))
    if kind == "random":
        for _ in range(int(rng.integers(1, 8))):
            yield (*map(int, rng.integers(0, 101, 6)), gripper), period_s
    elif kind == "corner":
        for _ in range(int(rng.integers(1, 5))):
            yield (*(int(100 * v) for v in rng.integers(0, 2, 6)), gripper), period_s
    elif kind == "push":
        # on and on in one direction: into walls, the table, singular postures and joint ends
        turns = rng.integers(0, 101, 3) if rng.random() < 0.5 else (50, 50, 50)
        bins = (*map(int, rng.integers(0, 101, 3)), *map(int, turns), gripper)
        for _ in range(int(rng.integers(8, 25))):
            yield bins, 0.1
    elif kind == "oscillate":
        bins = rng.integers(0, 101, 6)
        for k in range(int(rng.integers(4, 14))):
            yield (*map(int, bins if k % 2 else 100 - bins), gripper), period_s
    elif kind == "burst":
        number = int(rng.integers(3, 9))
        for k in range(number):
            wait_s = 0.0 if k < number - 1 else 0.1
            yield (*map(int, rng.integers(0, 101, 6)), gripper), wait_s
    elif kind == "pause":
        yield (50, 50, 50, 50, 50, 50, gripper), float(rng.uniform(0.2, 0.8))
    else:
        yield (*map(int, rng.integers(0, 101, 6)), gripper), period_s


def _break(request: ActionRequest, rng: np.random.Generator) -> ActionRequest:
    """One thing wrong with it."""
    wild = float(rng.choice([np.nan, np.inf, -np.inf, 1e300, -5.0, 0.5]))
    vector = rng.uniform(-0.03, 0.03, 3)
    vector[int(rng.integers(0, 3))] = wild
    ways: tuple[dict[str, Any], ...] = (
        {"translation_m": vector},
        {"rotation_rad": vector},
        {"action_spec_id": "0123456789ab"},
        {"bins": (*request.bins[:6], 101)},
        {"bins": request.bins[:4]},
        {"gripper_closed": not request.gripper_closed},
        {"observation_stamp_ns": -int(rng.integers(3 * _S, 100 * _S))},
        {"observation_stamp_ns": int(rng.integers(_S, 100 * _S))},
        {"sent_stamp_ns": 1},
    )
    return replace(request, **ways[int(rng.integers(0, len(ways)))])
