"""What the robot measures about itself, as one token of the language model."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialbot_model.contracts.types import ROBOT_STATE_WIDTH
from spatialbot_model.modeling.config import SpatialBotConfig

_POSE_CENTER, _POSE_RANGE = (0.5, 0.0, 0.25, *[0.0] * 6), (0.25, 0.4, 0.25, *[1.0] * 6)
_CENTER = (*_POSE_CENTER, 0.04, 0.5, *_POSE_CENTER, 0.0)
_HALF_RANGE = (*_POSE_RANGE, 0.04, 0.5, *_POSE_RANGE, 0.05)
"""Of a `RobotState.vector` on a table top."""
_TARGET = 11
"""Where the target's pose begins."""
_LEAD_SCALE = 20.0
"""Of target minus measured position: its usual centimetres become ones."""
_NUM_OCTAVES = 6


class RobotStateEmbedding(nn.Module):
    """Fourier features of the target's position, the lead, the rest as it is, and two layers.

    A state that is not known (None, or NaN in any of its numbers) has an embedding of its own.
    """

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__()
        width = int(config.text.hidden_size)
        self.linear_1 = nn.Linear(ROBOT_STATE_WIDTH + 3 + 6 * _NUM_OCTAVES, width)
        self.linear_2 = nn.Linear(width, width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, state: Tensor | None) -> Tensor:
        """(B, 21) of `RobotState.vector` to (B, D); (1, D) of the unknown state for None."""
        if state is None:
            return self.unknown[None]
        known = torch.isfinite(state).all(dim=-1, keepdim=True)
        state = torch.nan_to_num(state.float(), 0.0, 0.0, 0.0)
        scaled = (state - state.new_tensor(_CENTER)) / state.new_tensor(_HALF_RANGE)
        octaves = math.pi * 2.0 ** torch.arange(_NUM_OCTAVES, device=state.device)
        phases = (scaled[:, _TARGET : _TARGET + 3, None] * octaves).flatten(1)
        lead = _LEAD_SCALE * (state[:, _TARGET : _TARGET + 3] - state[:, :3])
        x = torch.cat((scaled, lead, phases.sin(), phases.cos()), dim=-1)
        token = self.linear_2(F.gelu(self.linear_1(x.to(self.linear_1.weight.dtype))))
        return torch.where(known, token, self.unknown.to(token.dtype))
