"""The model as a policy: one engine for all of a checkpoint, one session for each."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))

from samples import create_lively_checkpoint, random_frame, random_instruction

from spatialbot_model.contracts.action_codec import parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    CheckpointError,
    PolicyCancelledError,
    PolicyTimeoutError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies import local
from spatialbot_model.policies.base import PolicyConfig, resumes_from_frames
from spatialbot_model.policies.local import LocalPolicy
from spatialbot_model.policies.registry import make_policy

ROOT = Path(__file__).parents[3]
CELL = Cell.from_mapping(yaml.safe_load((ROOT / "config/cell.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PolicyConfig:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    create_lively_checkpoint(folder)
    return PolicyConfig(
        action_spec=ActionSpec(),
        cell=CELL,
        checkpoint=str(folder),
        device="cpu",
        # random weights would ask and ramble
        max_depth_queries=0,
        timeout_s=60.0,
    )


def walk(policy: LocalPolicy, seed: int, steps: int = 5) -> list[PolicyStep]:
    """One instruction with a sliding history."""
    rng = np.random.default_rng(seed)
    instruction, frames, answers = random_instruction(rng), [], []
    policy.start(instruction)
    for k in range(steps):
        frames.insert(0, random_frame(rng, k))
        seen = (*frames[:4], *[frames[-1]] * (4 - len(frames)))
        answers.append(policy.step(Observation(seen, instruction, np.eye(4))))
    return answers


def test_steps_are_readable_and_tell_how_they_came_about(config: PolicyConfig) -> None:
    policy = make_policy("local", config)
    steps = walk(policy, 1)
    policy.close()
    for k, step in enumerate(steps):
        parse_action_text(step.text, config.action_spec)
        assert step.observation_stamp_ns == k
        assert set(step.stage_ms) == {"preprocess", "encode", "prefill", "decode", "tool"}
        assert len(step.action_probabilities) == (0 if "finished" in step.text else 7)
        assert step.stage == "act"
    assert resumes_from_frames(policy)


def test_policies_of_a_checkpoint_share_one_engine_and_no_frames(config: PolicyConfig) -> None:
    first, second = LocalPolicy.open(config), LocalPolicy.open(config)
    assert first._engine is second._engine and first._session is not second._session
    alone = [step.text for step in walk(first, 2)]
    walk(second, 3)
    assert [step.text for step in walk(first, 2)] == alone
    first.close()
    first.close()
    assert [step.text for step in walk(second, 2)] == alone
    assert len(local._ENGINES._engines) == 1
    second.close()
    assert not local._ENGINES._engines


def test_a_closed_policy_answers_no_more(config: PolicyConfig) -> None:
    policy = LocalPolicy.open(config)
    policy.close()
    with pytest.raises(PolicyCancelledError, match="closed"):
        walk(policy, 1, 1)


def test_a_step_beyond_its_time_is_given_up_and_the_next_may_come(config: PolicyConfig) -> None:
    policy = LocalPolicy.open(replace(config, timeout_s=0.0))
    with pytest.raises(PolicyTimeoutError):
        walk(policy, 1, 1)
    patient = LocalPolicy.open(config)
    policy._config = config
    assert [s.text for s in walk(policy, 1)] == [s.text for s in walk(patient, 1)]
    policy.close()
    patient.close()


def test_a_policy_for_another_robot_is_not_made(config: PolicyConfig) -> None:
    other = replace(config, action_spec=ActionSpec(translation_limit_m=0.2))
    with pytest.raises(ActionSpecMismatchError, match="translation_limit_m"):
        make_policy("local", other)
    running = LocalPolicy.open(config)
    with pytest.raises(ActionSpecMismatchError):
        LocalPolicy.open(other)
    running.close()
    assert not local._ENGINES._engines


def test_an_empty_instruction_is_refused(config: PolicyConfig) -> None:
    policy = LocalPolicy.open(config)
    with pytest.raises(UnreadableInstructionError, match="empty"):
        policy.start("  ")
    policy.close()


def test_a_folder_without_a_checkpoint_is_refused(config: PolicyConfig, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        make_policy("local", replace(config, checkpoint=str(tmp_path)))
