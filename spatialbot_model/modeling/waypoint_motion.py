"""What the waypoints mean for the next action: where they lie, seen from the tool.

The language model tells where the hand will grasp and where it will let go. How far that is from
the tool decides the action to the millimetre, and attention is a poor ruler. So the way from the
tool's target to each waypoint is computed, and a small network adds what it means to the states
that the seven action tokens are read from.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.contracts.waypoints import AXES, HIGH, LOW
from spatialbot_model.modeling.config import SpatialBotConfig

_WAY_SCALES_M = (0.3, 0.1, 0.03, 0.01, 0.004)
_TURN_SCALES_RAD = (1.0, 0.3, 0.1)
_LEAD_SCALES_M = (0.03, 0.01, 0.003)
_SPEED_SCALES_M_S = (0.1, 0.02)
_HALF_WIDTH_M = 0.04
_MEASURED, _WIDTH, _CLOSED, _TARGET, _SPEED = slice(0, 3), 9, 10, slice(11, 14), 20
_TARGET_X_AXIS = (14, 15)
"""Of `RobotState.vector`."""
_AROUND_BINS = 2
"""A coordinate is the mean of so many bins to each side of the likeliest."""
_PER_BIN = (HIGH - LOW) / (NUM_BINS - 1)
_WIDE = 512


class WaypointMotion(nn.Module):
    """Adds to the seven action states what the waypoints ask for; Q waypoints, D wide.

    A robot's state that is not known (NaN in any of its numbers) adds nothing.
    """

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__()
        width, queries = int(config.text.hidden_size), config.waypoint_queries
        per_waypoint = 4 * len(_WAY_SCALES_M) + len(_TURN_SCALES_RAD) + 2 + len(AXES)
        own = 3 * len(_LEAD_SCALES_M) + 2 + len(_SPEED_SCALES_M_S) + 3
        self.linear_1 = nn.Linear(queries * per_waypoint + own, _WIDE)
        self.linear_2 = nn.Linear(_WIDE, _WIDE)
        self.linear_3 = nn.Linear(_WIDE, len(ACTION_NAMES) * width)

    def forward(self, action_states: Tensor, waypoint_logits: Tensor, state: Tensor) -> Tensor:
        """(R, 7, D) states to read the action tokens from.

        Args:
            action_states: (R, 7, D) of the action queries.
            waypoint_logits: (R, Q, 4, 101); nothing is learned through them here.
            state: (R, 21) of `RobotState.vector`.
        """
        known = torch.isfinite(state).all(dim=-1)[:, None, None]
        state = torch.nan_to_num(state.float(), 0.0, 0.0, 0.0)
        features = self._features(waypoint_logits.detach().float(), state)
        x = F.gelu(self.linear_1(features.to(self.linear_1.weight.dtype)))
        x = F.gelu(self.linear_2(x))
        added = self.linear_3(x).unflatten(-1, (len(ACTION_NAMES), -1))
        moved: Tensor = action_states + (added * known).to(action_states.dtype)
        return moved

    def _features(self, logits: Tensor, state: Tensor) -> Tensor:
        """(R, features) float32."""
        points, sure = self._coordinates(logits)
        target = state[:, _TARGET]
        way_m = points[..., :3] - target[:, None]
        away_m = torch.linalg.vector_norm(way_m[..., :2], dim=-1, keepdim=True)
        ways = torch.cat((way_m, away_m), dim=-1)
        heading = torch.atan2(state[:, _TARGET_X_AXIS[1]], state[:, _TARGET_X_AXIS[0]])
        turn = points[..., 3] - heading[:, None]
        # a hand that is turned by half a turn grasps alike
        turn = turn - math.pi * torch.round(turn / math.pi)
        lead_m = target - state[:, _MEASURED]
        parts = [
            *(torch.tanh(ways / scale) for scale in _WAY_SCALES_M),
            *(torch.tanh(turn / scale)[..., None] for scale in _TURN_SCALES_RAD),
            way_m[..., :2] / (away_m + 1e-3),
            sure,
        ]
        own = [
            *(torch.tanh(lead_m / scale) for scale in _LEAD_SCALES_M),
            state[:, _WIDTH : _WIDTH + 1] / _HALF_WIDTH_M - 1.0,
            2.0 * state[:, _CLOSED : _CLOSED + 1] - 1.0,
            *(torch.tanh(state[:, _SPEED, None] / scale) for scale in _SPEED_SCALES_M_S),
            *(torch.tanh((state[:, 13:14] - high) / 0.05) for high in (0.05, 0.15, 0.25)),
        ]
        return torch.cat((torch.cat(parts, dim=-1).flatten(1), *own), dim=-1)

    def _coordinates(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(R, Q, 4) coordinates [m, rad], and how probable those bins are."""
        probable = logits.softmax(-1)
        best = logits.argmax(-1, keepdim=True)
        bins = torch.arange(NUM_BINS, device=logits.device)
        near = ((bins - best).abs() <= _AROUND_BINS) * probable
        sure = near.sum(-1)
        mean = (near * bins).sum(-1) / sure
        return mean.new_tensor(LOW) + mean * mean.new_tensor(_PER_BIN), sure
