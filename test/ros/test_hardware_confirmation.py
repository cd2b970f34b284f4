"""When the safety notes must be confirmed, and how fast a real arm starts."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.bringup import pick_place_nodes
from spatialbot_ros.hardware_confirmation import (
    check_hardware_confirmed,
    is_hardware,
    speed_factor_of,
)

REAL = {"simulation": "false", "robot_ip": "172.16.0.2"}
YES = {"i_have_read_the_safety_notes": "true"}


@pytest.mark.parametrize(
    ("robot", "address", "expected"),
    [
        ("franky", "127.0.0.61", False),
        ("franky", "localhost", False),
        ("franky", "::1", False),
        ("memory", "172.16.0.2", False),
        ("franky", "172.16.0.2", True),
        ("franky", "panda.local", True),
        ("franky", "localhost.example.org", True),
        ("franky", "0.0.0.0", True),
        ("franky", "", True),
        ("someday", "10.0.0.1", True),
    ],
)
def test_what_may_be_real(robot: str, address: str, expected: bool) -> None:
    assert is_hardware(robot, address) == expected
    check_hardware_confirmed(robot, address, True)
    if not expected:
        check_hardware_confirmed(robot, address, False)
        return
    with pytest.raises(ConfigurationError, match=r"docs/safety\.md.*i_have_read"):
        check_hardware_confirmed(robot, address, False)


def test_hardware_starts_slowly() -> None:
    assert speed_factor_of("franky", "172.16.0.2", 0.0) == 0.2
    assert speed_factor_of("franky", "172.16.0.2", 1.0) == 1.0
    assert speed_factor_of("franky", "127.0.0.61", 0.0) == 1.0
    assert speed_factor_of("memory", "127.0.0.61", 0.5) == 0.5
    for asked in (-0.1, 0.01, 1.1, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="speed_factor"):
            speed_factor_of("franky", "127.0.0.61", asked)


def executor_of(values: dict[str, str]) -> dict[str, object]:
    return dict(next(n for n in pick_place_nodes(values) if n.name == "executor").parameters)


def test_the_launch_refuses_a_real_robot_without_confirmation() -> None:
    with pytest.raises(ConfigurationError, match="i_have_read_the_safety_notes:=true"):
        pick_place_nodes(REAL)
    assert executor_of({**REAL, **YES})["speed_factor"] == 0.2
    assert executor_of({**REAL, **YES, "speed_factor": "0.5"})["speed_factor"] == 0.5


def test_simulation_needs_none_and_runs_at_full_speed() -> None:
    assert executor_of({})["speed_factor"] == 1.0
    assert executor_of({"simulation": "false"})["speed_factor"] == 1.0, "a lab of somebody else"
    memory = {"simulation": "false", "robot": "memory", "robot_ip": "172.16.0.2"}
    assert executor_of(memory)["speed_factor"] == 1.0


def test_a_simulated_lab_is_served_on_loopback_only() -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        pick_place_nodes({"robot_ip": "172.16.0.2", **YES})
    with pytest.raises(ConfigurationError, match="loopback"):
        pick_place_nodes({"robot_ip": "0.0.0.0", **YES})
