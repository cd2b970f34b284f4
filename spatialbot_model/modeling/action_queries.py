"""The queries that ask for a whole action at once, behind those that ask for its waypoints."""

import torch
from torch import Tensor, nn

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.contracts.waypoints import AXES
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.waypoint_motion import WaypointMotion


class ActionQueries(nn.Module):
    """What tells Q waypoint and seven action queries apart, and how they are read; D wide.

    They are the last tokens of a prompt, in this order, all with the same id: without an
    embedding of their own only rotary positions would tell them apart.
    """

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__()
        assert config.action_query_token_id is not None
        self._token_id, self._num_waypoints = config.action_query_token_id, config.waypoint_queries
        width = int(config.text.hidden_size)
        self.embedding = nn.Embedding(self._num_waypoints + len(ACTION_NAMES), width)
        self.waypoint_head = nn.Linear(width, len(AXES) * NUM_BINS)
        self.motion = WaypointMotion(config) if config.waypoint_motion else None

    def added(self, input_ids: Tensor) -> Tensor:
        """(B, T, D) to be added to the embeddings of ids (B, T); zero where no query is."""
        is_query = torch.eq(input_ids, self._token_id)
        order = (is_query.cumsum(dim=-1) - 1) % self.embedding.num_embeddings
        added: Tensor = self.embedding(order.clamp(min=0)) * is_query[..., None]
        return added

    def waypoint_logits(self, states: Tensor) -> Tensor:
        """(R, Q, 4, 101) float32 from (R, Q + 7, D) states of the queries."""
        logits: Tensor = self.waypoint_head(states[:, : self._num_waypoints])
        return logits.reshape(*logits.shape[:2], len(AXES), NUM_BINS).float()

    def action_states(self, states: Tensor, robot_state: Tensor | None) -> Tensor:
        """(R, 7, D) states that the action tokens are read from.

        Args:
            states: (R, Q + 7, D) of the queries, behind the last layer.
            robot_state: (R, 21); None where it is not known.
        """
        acts = states[:, self._num_waypoints :]
        if self.motion is None or robot_state is None:
            return acts
        moved: Tensor = self.motion(acts, self.waypoint_logits(states), robot_state)
        return moved
