"""The expert's actions without images are those of its episodes."""

from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_sim.expert_actions import expert_episodes


def test_an_episode_is_a_whole_pick_and_place_and_the_next_another():
    episodes = expert_episodes(load_cell(), load_action_spec(), "pick_place", 0)
    first, second = next(episodes), next(episodes)
    assert 30 < len(first) < 400
    closed = [action.gripper_closed for action in first]
    assert not closed[0] and any(closed) and not closed[-1]
    assert [a.bins for a in first] != [a.bins for a in second]
