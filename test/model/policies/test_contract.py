"""What every policy of the registry promises, and that a server changes nothing about it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from running_server import RunningServer
from samples import create_lively_checkpoint, random_frame

from spatialbot_model.contracts.action_codec import parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import PolicyError, UnknownNameError
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import Policy, PolicyConfig
from spatialbot_model.policies.registry import POLICIES, make_policy

ROOT = Path(__file__).parents[3]
CELL = Cell.from_mapping(yaml.safe_load((ROOT / "config/cell.yaml").read_text(encoding="utf-8")))
INSTRUCTION = "pick up the red cube and put it on the left cutting board"
NUM_STEPS = 12

Configure = Callable[[str], PolicyConfig]


@pytest.fixture(scope="module")
def configure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configure]:
    """What each policy of the registry needs to be made; `remote` is served the local one."""
    checkpoint = tmp_path_factory.mktemp("checkpoints") / "tiny"
    create_lively_checkpoint(checkpoint)
    plain = PolicyConfig(action_spec=ActionSpec(), cell=CELL, timeout_s=60.0)
    # random weights would ask and ramble
    local = replace(plain, checkpoint=str(checkpoint), device="cpu", max_depth_queries=0)

    def serve_local(spec: ActionSpec) -> Policy:
        return make_policy("local", replace(local, action_spec=spec))

    with ExitStack() as stack:
        server = stack.enter_context(RunningServer(serve_local))
        known = {
            "classical": plain,
            "local": local,
            "remote": replace(plain, url=server.url),
        }

        def find(name: str) -> PolicyConfig:
            assert name in known, f"tell this test how policy {name!r} is made"
            return known[name]

        yield find


def walk(policy: Policy, seed: int) -> list[PolicyStep]:
    """One instruction over a sliding history of random frames."""
    rng = np.random.default_rng(seed)
    history, steps = FrameHistory(), []
    policy.start(INSTRUCTION)
    for k in range(NUM_STEPS):
        history.push(random_frame(rng, 1000 + k))
        steps.append(policy.step(Observation(history.frames(), INSTRUCTION, np.eye(4))))
    return steps


@pytest.mark.parametrize("name", POLICIES)
def test_a_step_answers_in_the_action_language_or_says_why_not(
    name: str, configure: Configure
) -> None:
    config = configure(name)
    policy = make_policy(name, config)
    try:
        for seed in (1, 2):
            try:
                steps = walk(policy, seed)
            except PolicyError as error:
                # noise shows no cube
                assert str(error)
                continue
            for k, step in enumerate(steps):
                parse_action_text(step.text, config.action_spec)
                assert step.observation_stamp_ns == 1000 + k
                assert all(0.0 <= p <= 1.0 for p in step.action_probabilities)
                assert all(milliseconds >= 0.0 for milliseconds in step.stage_ms.values())
    finally:
        policy.close()
        policy.close()


def test_local_and_remote_give_the_same_answers(configure: Configure) -> None:
    local = make_policy("local", configure("local"))
    remote = make_policy("remote", configure("remote"))
    try:
        for seed in (3, 4, 3):
            here, there = walk(local, seed), walk(remote, seed)
            assert [s.text for s in here] == [s.text for s in there]
            assert [s.action_probabilities for s in here] == [s.action_probabilities for s in there]
        assert len({s.text for s in here}) > 1, "the answers do not depend on the frames"
    finally:
        local.close()
        remote.close()


def test_an_unknown_policy_lists_the_known_ones(configure: Configure) -> None:
    with pytest.raises(UnknownNameError, match="classical, local, remote"):
        make_policy("psychic", configure("classical"))
