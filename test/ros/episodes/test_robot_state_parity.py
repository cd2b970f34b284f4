"""What a policy is told of the robot is what training reads from the episode of that run."""

from pathlib import Path

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
)
from spatialbot_model.contracts.types import Observation
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.episodes.step_writer import StepWriterFactory
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.episode_sink import EpisodeStart, StepRecord
from spatialbot_sim.tasks import sample_scene

SPEC = load_action_spec()
CLOSED = [False, False, True, True, True, True, False, False]
ACTIONS = [
    DeltaAction.from_values((0.02, 0.003 * k, -0.01), (0.03, -0.06, 0.09), closed, SPEC)
    for k, closed in enumerate(CLOSED)
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Observation]]:
    """A short episode of the fast environment, and what a policy in it was shown."""
    scene = sample_scene("pick_place", 0)
    # images do not matter here
    env = TabletopEnv(load_cell(), SPEC, EnvOptions(render=False))
    sink = StepWriterFactory(tmp_path_factory.mktemp("episodes"), reserve_bytes=0)()
    observation = env.reset(scene)
    seen = [observation]
    sink.begin(
        EpisodeStart(scene, SPEC, "expert", observation.newest.stamp_ns, observation.T_base_camera)
    )
    for k, action in enumerate([*ACTIONS, None]):
        text = FINISHED_TEXT if action is None else format_action_text(action)
        sequence = 0 if action is None else k + 1
        sink.write(
            StepRecord(
                *(sequence, observation.newest, env.proprioception(), action, "expert", text, ""),
                robot_time_s=k / SPEC.rate_hz,
            )
        )
        if action is not None:
            observation = env.step(action)
            seen.append(observation)
    folder = Path(sink.end("success", "scripted", observation.newest.stamp_ns))
    env.close()
    return folder, seen


@pytest.mark.parametrize("opened", ["from the bag", "from a stored index"])
def test_a_sample_tells_what_the_environment_told(
    run: tuple[Path, list[Observation]], tmp_path: Path, opened: str
) -> None:
    folder, seen = run
    cache = None if opened == "from the bag" else CacheOptions(tmp_path)
    if cache is not None:
        EpisodeDataset.open(folder, cache=cache).close()
    dataset = EpisodeDataset.open(folder, cache=cache)
    assert len(dataset) == len(seen)
    assert dataset.episodes[0].step_states.dtype == np.float32
    for step, (sample, observation) in enumerate(zip(dataset, seen, strict=True)):
        told, read = observation.robot, sample.robot
        assert told is not None
        assert read is not None
        assert sample.frames[0].stamp_ns == observation.newest.stamp_ns
        # a quaternion lies between them, nothing else
        np.testing.assert_allclose(read.vector(), told.vector(), rtol=0.0, atol=1e-7)
        np.testing.assert_array_equal(dataset.episodes[0].step_states[step], read.vector())
    dataset.close()


def test_closed_is_the_wish_before_the_frame_and_not_the_one_after(
    run: tuple[Path, list[Observation]],
) -> None:
    dataset = EpisodeDataset.open(run[0])
    closed = [sample.robot.gripper_closed for sample in dataset if sample.robot is not None]
    assert closed == [False, *CLOSED]
    widths_m = [sample.robot.gripper_width_m for sample in dataset if sample.robot is not None]
    # the fingers follow the wish
    assert widths_m[2] > 0.078 > widths_m[3] > widths_m[5]
    dataset.close()
