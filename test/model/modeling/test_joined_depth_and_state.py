"""The mini model's inputs: RGB and depth joined, the robot's state, queries told apart."""

import numpy as np
import pytest
import torch

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import ROBOT_STATE_WIDTH, RobotState
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.presets import make_config, make_model
from spatialbot_model.modeling.robot_state import RobotStateEmbedding


@pytest.fixture(scope="module")
def mini() -> torch.nn.Module:
    return make_model(make_config("mini"))


@torch.no_grad()
def test_a_frame_is_its_colour_and_its_depth(mini: torch.nn.Module) -> None:
    color, depth, other = torch.randn(3, 3, 224, 224)
    one = mini.encode_images(torch.stack([color, depth]))
    assert one.shape == (1, 49 + 1, 256)
    for changed in ([color, other], [other, depth]):
        assert not torch.allclose(mini.encode_images(torch.stack(changed)), one, atol=1e-3)
    two = mini.encode_images(torch.stack([color, depth, other, depth]))
    torch.testing.assert_close(two[:1], one, atol=1e-4, rtol=1e-4)
    with pytest.raises(ConfigurationError, match="joins RGB and depth"):
        mini.encode_images(torch.stack([color, depth, other]))


@torch.no_grad()
def test_an_older_frame_is_the_mean_of_its_features(mini: torch.nn.Module) -> None:
    features = mini.tower_features(torch.randn(2, 3, 224, 224))
    projected = mini.project_features(features)
    mean = mini.projector.project(features.mean(dim=1, keepdim=True))
    torch.testing.assert_close(projected[:, 49:], mean, atol=1e-5, rtol=1e-4)
    newest, older = mini.image_tokens(projected.expand(2, -1, -1), [0, 0], [0, 3])
    assert newest.shape == (49, 256) and older.shape == (1, 256)


@torch.no_grad()
def test_the_state_stands_behind_the_newest_image(mini: torch.nn.Module) -> None:
    encoded = mini.encode_images(torch.randn(4, 3, 224, 224))
    state = torch.from_numpy(RobotState(np.eye(4), np.eye(4), 0.08, False).vector())[None]
    features = mini.prompt_features(encoded, [0, 1, 0, 1], [0, 0, 1, 1], state)
    assert features.shape == (49 + 1 + 1, 256)
    torch.testing.assert_close(features[49:50], mini.state_token(state))
    unknown = mini.prompt_features(encoded, [0, 1, 0, 1], [0, 0, 1, 1], None)
    torch.testing.assert_close(unknown[49], mini.state_embedding.unknown)
    keep = torch.arange(51) != 49
    torch.testing.assert_close(features[keep], unknown[keep])


@torch.no_grad()
def test_a_state_with_a_hole_is_unknown() -> None:
    embedding = RobotStateEmbedding(make_config("mini"))
    embedding.unknown.normal_()
    states = torch.zeros(2, ROBOT_STATE_WIDTH)
    states[1, 4] = float("nan")
    tokens = embedding(states)
    assert tokens.isfinite().all()
    torch.testing.assert_close(tokens[1], embedding.unknown)
    assert not torch.allclose(tokens[0], embedding.unknown)


@torch.no_grad()
def test_millimetres_show_in_the_state(mini: torch.nn.Module) -> None:
    states = torch.zeros(2, ROBOT_STATE_WIDTH)
    states[1, 11] = 0.002
    one, other = mini.state_token(states)
    assert (one - other).abs().max() > 1e-3


@torch.no_grad()
def test_queries_are_told_apart_by_their_order(mini: torch.nn.Module) -> None:
    query = mini.config.action_query_token_id
    embeds = mini.embed_ids(torch.tensor([[5, *[query] * 9, 6, *[query] * 9]]))[0]
    assert len({tuple(row.tolist()) for row in embeds[1:10]}) == 9
    torch.testing.assert_close(embeds[1:10], embeds[11:20])
    torch.testing.assert_close(embeds[0], mini.get_input_embeddings().weight[5])


def test_waypoints_need_parallel_actions() -> None:
    config = make_config("mini").to_dict()
    with pytest.raises(ConfigurationError, match="with parallel_actions"):
        SpatialBotConfig(**{**config, "parallel_actions": False})
