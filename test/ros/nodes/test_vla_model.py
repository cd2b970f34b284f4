"""The VLA node with the model behind it, in its own process and behind a policy server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_server import RunningServer
from samples import create_lively_checkpoint
from vla_surroundings import TIMEOUT_S, Start, wait_for

from spatialbot_model.contracts.action_codec import DeltaAction, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.policies.base import Policy, PolicyConfig
from spatialbot_model.policies.registry import make_policy
from spatialbot_ros.configuration import load_action_spec, load_cell

NUM_STEPS = 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    create_lively_checkpoint(folder)
    return folder


@pytest.fixture
def server(checkpoint: Path) -> Iterator[RunningServer]:
    def make(spec: ActionSpec) -> Policy:
        config = PolicyConfig(spec, load_cell(), str(checkpoint), device="cpu", timeout_s=TIMEOUT_S)
        return make_policy("local", config)

    with RunningServer(make) as running:
        yield running


@pytest.mark.parametrize("policy", ["local", "remote"])
def test_the_model_moves_the_arm(
    policy: str, start: Start, checkpoint: Path, server: RunningServer
) -> None:
    place = {"checkpoint": str(checkpoint)} if policy == "local" else {"url": server.url}
    lab = start(policy=policy, device="cpu", policy_timeout_s=TIMEOUT_S, **place)
    result = lab.execute("pick up the red cube", max_steps=NUM_STEPS)
    assert result.num_steps == NUM_STEPS or result.finished, result.reason
    wait_for(lambda: len(lab.steps) >= result.num_steps and len(lab.actions) == result.num_steps)
    step = lab.steps[0]
    action = parse_action_text(step.text, load_action_spec())
    assert step.policy == policy
    assert isinstance(action, DeltaAction) and tuple(lab.actions[0].bins) == action.bins
    assert len(step.action_probabilities) == 7
    stages = ["capture", "receive", "policy"]
    assert list(step.latency_names)[:3] == stages
    assert {"encode", "prefill", "decode", "tool"} <= set(step.latency_names)
