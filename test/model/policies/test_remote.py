"""A remote policy answers exactly as the same policy in this process."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from painted_table import BLUE, RED, WOOD, Top, paint
from policy_doubles import WAIT_S, make_frame, observe
from running_server import RunningServer

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import Policy, PolicyConfig
from spatialbot_model.policies.classical.policy import ClassicalPolicy
from spatialbot_model.policies.registry import POLICIES, make_policy
from spatialbot_model.policies.remote import RemotePolicy
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.credentials import TOKEN_VARIABLE

INSTRUCTION = "pick up the red cube and put it on the left cutting board"
TOKEN = "a token for tests"
BLOCK = Top(RED, 0.45, 0.05, 0.05, 0.05, 0.05)
REST = [
    Top(WOOD, 0.60, -0.25, 0.015, 0.20, 0.16),
    Top(WOOD, 0.60, 0.25, 0.015, 0.20, 0.16),
    Top(BLUE, 0.40, -0.10, 0.05, 0.05, 0.05),
]


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell.from_mapping(yaml.safe_load(find_resource("config/cell.yaml").read_text()))


def config_for(cell: Cell, server: RunningServer | None = None, **changes: object) -> PolicyConfig:
    config = PolicyConfig(ActionSpec(), cell, url=server.url if server else "", timeout_s=WAIT_S)
    return replace(config, **changes)


def show(cell: Cell, num_steps: int) -> list[Observation]:
    """A block that wanders over the table, as a policy sees it."""
    history = FrameHistory()
    observations = []
    for k in range(num_steps):
        block = replace(BLOCK, x_m=BLOCK.x_m + 0.0005 * k)
        # a still camera gives one stamp twice now and then
        history.push(paint(cell, [block, *REST], 100_000_000 * (1 + k - k % 7 // 6)))
        pose = cell.camera.T_base_color
        observations.append(Observation(history.frames(), INSTRUCTION, pose))
    return observations


def drive(policy: Policy, observations: list[Observation]) -> list[PolicyStep]:
    """The answers of a policy without their timing."""
    policy.start(INSTRUCTION)
    return [replace(policy.step(observation), stage_ms={}) for observation in observations]


def test_local_and_remote_answers_are_identical(cell: Cell) -> None:
    def make(spec: ActionSpec) -> Policy:
        return ClassicalPolicy(PolicyConfig(spec, cell))

    observations = show(cell, 36)
    expected = drive(ClassicalPolicy(config_for(cell)), observations)
    with RunningServer(make) as server:
        remote = make_policy("remote", config_for(cell, server))
        answers = drive(remote, observations)
        again = drive(remote, observations[:5])
        remote.close()
    assert answers == expected
    assert again == expected[:5]
    # the pictures are good enough for something to happen
    assert {"look", "reach", "descend"} <= {answer.stage for answer in answers}
    assert len({answer.text for answer in answers}) > 10


def test_errors_are_those_of_the_policy(cell: Cell) -> None:
    def make(spec: ActionSpec) -> Policy:
        ActionSpec().check_compatible(spec)
        return ClassicalPolicy(PolicyConfig(spec, cell))

    with RunningServer(make) as server:
        policy = RemotePolicy(config_for(cell, server))
        with pytest.raises(UnreadableInstructionError):
            policy.start("sing")
        policy.start(INSTRUCTION)
        with pytest.raises(PolicyError, match="no cutting board is in view"):
            for number in range(20):
                frame = paint(cell, [BLOCK], 1 + number)
                policy.step(Observation((frame,) * 4, INSTRUCTION, np.eye(4)))
        policy.close()
        other = RemotePolicy(
            config_for(cell, server, action_spec=ActionSpec(translation_limit_m=0.05))
        )
        with pytest.raises(ActionSpecMismatchError, match="translation_limit_m"):
            other.start(INSTRUCTION)
        other.close()


def test_the_timeout_is_the_configured_one(cell: Cell) -> None:
    with RunningServer() as server:
        policy = RemotePolicy(config_for(cell, server, timeout_s=1e-9))
        assert not policy.resumes_from_frames, "nothing is known before the first welcome"
        policy.start("pick it")
        assert policy.resumes_from_frames
        with pytest.raises(PolicyTimeoutError):
            policy.step(observe([make_frame(0)]))
        policy.close()


def test_a_token_is_shown_from_file_or_environment(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    with RunningServer(token=TOKEN) as server:
        without = RemotePolicy(config_for(cell, server))
        with pytest.raises(ConfigurationError, match="token"):
            without.start("pick it")
        without.close()
        policy = RemotePolicy(config_for(cell, server, token_file=str(token_file)))
        policy.start("pick it")
        policy.close()
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        policy = RemotePolicy(config_for(cell, server))
        policy.start("pick it")
        policy.close()


def test_making_one_touches_nothing(cell: Cell) -> None:
    with pytest.raises(ConfigurationError, match="not encrypted"):
        RemotePolicy(config_for(cell, url="ws://machine.invalid"))
    RemotePolicy(config_for(cell, url="ws://machine.invalid", allow_unencrypted=True)).close()
    policy = RemotePolicy(config_for(cell, ssh="robot@machine.invalid"))
    with pytest.raises(PolicyError, match="no instruction"):
        policy.step(observe([make_frame(0)]))
    policy.close()
    policy.close()


def test_an_unreachable_server_is_a_connection_error(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningServer() as server:
        config = config_for(cell, server)
    hurried = functools.partial(ClientOptions, connect_timeout_s=0.2)
    monkeypatch.setattr("spatialbot_model.policies.remote.ClientOptions", hurried)
    policy = RemotePolicy(config)
    with pytest.raises(PolicyConnectionError, match=server.address):
        policy.start("pick it")
    policy.close()


@pytest.mark.parametrize(
    ("changes", "says"),
    [({}, "url:=ws"), ({"url": "http://x"}, "expected ws://"), ({"ssh": "a b"}, "ssh target")],
)
def test_unusable_addresses_are_refused(cell: Cell, changes: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        RemotePolicy(config_for(cell, **changes))


def test_it_is_in_the_registry() -> None:
    assert "remote" in POLICIES
