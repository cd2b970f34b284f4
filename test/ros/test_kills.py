"""Nodes killed during a recorded pick and place; `spatialbot bench kills` kills all of them."""

from pathlib import Path

import pytest
from own_address import own_address

pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")

from spatialbot_model.contracts.episode import (
    EE_POSE_TOPIC,
    EXECUTOR_STATE_TOPIC,
    GRIPPER_TOPIC,
    JOINTS_TOPIC,
)
from spatialbot_model.contracts.errors import SimulationError
from spatialbot_ros.benchmarks.kill_run import KillAccount
from spatialbot_ros.benchmarks.kill_stack import KillStack
from spatialbot_ros.benchmarks.kills import ALL_NODES, run_kills
from spatialbot_ros.bringup import pick_place_nodes

KILLED = ("vla", "recorder", "executor")
EXECUTOR_TOPICS = {JOINTS_TOPIC, EE_POSE_TOPIC, GRIPPER_TOPIC, EXECUTOR_STATE_TOPIC}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KillAccount]:
    """One suite whose nodes are killed one after the other."""
    folder = tmp_path_factory.mktemp("kills")
    told = run_kills(list(KILLED), 0, True, own_address(), folder)
    return {account.name: account for account in told}


def test_the_benchmark_kills_every_node_of_the_launch() -> None:
    nodes = pick_place_nodes({"viewer": "rerun"})
    assert {node.name for node in nodes} == set(ALL_NODES.split(","))


@pytest.mark.parametrize("name", ["vla", "executor"])
def test_the_arm_comes_to_rest_and_stays_until_it_is_asked(
    name: str, accounts: dict[str, KillAccount]
) -> None:
    account = accounts[name]
    assert account.moving and account.held
    # an action of 0.1 s that may be stretched, the gap of 0.3 s or settling, braking
    assert account.rest_ms < 1000.0
    assert account.moved_mm < 0.5


def test_a_recorder_that_dies_disturbs_nobody_and_its_episode_is_repaired(
    accounts: dict[str, KillAccount],
) -> None:
    account = accounts["recorder"]
    assert account.moving and not account.held
    assert account.repaired.startswith("recovered ")
    assert account.problems == ()
    assert account.recovered_messages > 100


@pytest.mark.parametrize("name", KILLED)
def test_work_goes_on_after_the_relaunch(name: str, accounts: dict[str, KillAccount]) -> None:
    account = accounts[name]
    assert account.next_ok, account.next_instruction
    assert account.others_ended == ()
    # what is missing is said, and it is only what the dead node did not deliver
    missing = {problem.split(":")[0] for problem in account.problems}
    assert missing <= (EXECUTOR_TOPICS if name == "executor" else set()), account.problems


def test_a_node_that_does_not_run_cannot_be_killed(tmp_path: Path) -> None:
    stack = KillStack({"robot_ip": own_address()}, tmp_path)
    try:
        stack.start("depth_service")
        stack.wait_respawned("depth_service")
        stack.kill("depth_service")
        # not its supervisor, which starts it again
        stack.let_respawn("depth_service")
        stack.start("recorder")
        stack.kill("recorder")
        with pytest.raises(SimulationError, match="recorder does not run"):
            stack.kill("recorder")
        assert stack.ended() == ("recorder",)
    finally:
        stack.end_all()
    assert stack.ended() == ()
