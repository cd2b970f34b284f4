"""What the way to the waypoints adds to an action."""

import numpy as np
import pytest
import torch

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import compose, rpy_to_matrix
from spatialbot_model.contracts.types import RobotState
from spatialbot_model.contracts.waypoints import to_bins
from spatialbot_model.modeling.action_queries import ActionQueries
from spatialbot_model.modeling.presets import make_config

CONFIG = make_config("mini")
WIDTH = CONFIG.text.hidden_size
PICK, PLACE = (0.50, 0.10, 0.02, 0.3), (0.60, -0.20, 0.05, -0.3)


@pytest.fixture
def queries() -> ActionQueries:
    torch.manual_seed(0)
    return ActionQueries(CONFIG).eval()


def state_of(x_m: float = 0.45, speed_m_s: float = 0.0, yaw_rad: float = 0.0) -> torch.Tensor:
    T = compose(rpy_to_matrix([np.pi, 0.0, yaw_rad]), [x_m, 0.0, 0.2])
    return torch.from_numpy(RobotState(T, T, 0.08, False, speed_m_s).vector())[None]


def logits_of(*poses: tuple[float, ...]) -> torch.Tensor:
    """(1, 2, 4, 101) that are sure of these coordinates."""
    bins = torch.from_numpy(to_bins(np.array([poses], np.float32)))
    return -2.0 * (torch.arange(101) - bins[..., None]) ** 2


def added(queries: ActionQueries, state: torch.Tensor, *poses: tuple[float, ...]) -> torch.Tensor:
    assert queries.motion is not None
    moved: torch.Tensor = queries.motion(torch.zeros(1, 7, WIDTH), logits_of(*poses), state)
    return moved.detach()


def test_coordinates_are_read_between_the_bins(queries: ActionQueries) -> None:
    assert queries.motion is not None
    points, sure = queries.motion._coordinates(logits_of(PICK, PLACE))
    # bins of 6, 10 and 4 mm and 1.9 degrees
    np.testing.assert_allclose(points[0], [PICK, PLACE], atol=2e-3)
    assert (sure > 0.98).all()
    even, unsure = queries.motion._coordinates(torch.zeros(1, 2, 4, 101))
    assert torch.isfinite(even).all() and (unsure < 0.05).all()


def test_it_depends_on_the_way_and_the_hand_and_adds_nothing_if_unknown(
    queries: ActionQueries,
) -> None:
    here = added(queries, state_of(), PICK, PLACE)
    assert here.abs().max() > 0.01
    for other in (
        added(queries, state_of(x_m=0.451), PICK, PLACE),
        added(queries, state_of(speed_m_s=-0.02), PICK, PLACE),
        added(queries, state_of(yaw_rad=0.05), PICK, PLACE),
        added(queries, state_of(), PICK, (0.60, -0.20, 0.06, -0.3)),
    ):
        assert (other - here).abs().max() > 1e-4
    # a hand that is turned by half a turn grasps alike
    turned = added(queries, state_of(yaw_rad=np.pi), PICK, PLACE)
    np.testing.assert_allclose(turned, here, atol=1e-4)
    assert not added(queries, torch.full((1, 21), torch.nan), PICK, PLACE).any()


def test_an_action_teaches_the_motion_and_not_the_waypoints(queries: ActionQueries) -> None:
    states = torch.randn(3, 9, WIDTH, generator=torch.Generator().manual_seed(1))
    states.requires_grad_()
    queries.action_states(states, state_of().expand(3, -1)).sum().backward()
    assert queries.motion is not None
    learned = queries.motion.linear_1.weight.grad
    assert learned is not None and learned.any()
    assert queries.waypoint_head.weight.grad is None
    assert states.grad is not None and not states.grad[:, :2].any() and states.grad[:, 2:].all()


@pytest.mark.parametrize("missing", ["robot_state", "waypoint_queries"])
def test_without_a_state_or_waypoints_there_is_no_way(missing: str) -> None:
    with pytest.raises(ConfigurationError, match="waypoint_motion needs"):
        type(CONFIG).from_dict(CONFIG.to_dict() | {missing: 0})
