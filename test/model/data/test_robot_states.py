"""The robot's state of each sample: from the right moment of the bag, or unknown."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
from scripted_bag import LEAD_M, State, write_bag

from spatialbot_model.contracts.episode import EXECUTOR_STATE_TOPIC, GRIPPER_TOPIC
from spatialbot_model.contracts.robot_states import STALE_NS
from spatialbot_model.contracts.types import RobotState
from spatialbot_model.data import index_files
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.samples import EpisodeDataset

MS = 1_000_000
NUM_STEPS = 6
PERIOD_NS = 20 * MS
# 50 Hz, beside the frames by 7 ms; closes with the fourth frame
STATES = [
    State(
        synthetic.FIRST_NS + 7 * MS + k * PERIOD_NS,
        x_m=0.001 * k,
        width_m=0.08 - 0.001 * k,
        closed=k >= 15,
    )
    for k in range(40)
]


def states_of(folder: Path, **options: object) -> list[RobotState | None]:
    dataset = EpisodeDataset.open(folder, **options)  # type: ignore[arg-type]
    states = [sample.robot for sample in dataset]
    assert len(states) == NUM_STEPS
    dataset.close()
    return states


@pytest.mark.parametrize("order", ["as they came", "mixed up"])
@pytest.mark.parametrize("zstd", [False, True])
def test_a_sample_has_the_newest_state_that_is_not_younger(
    tmp_path: Path, zstd: bool, order: str
) -> None:
    states = STATES if order == "as they came" else [*STATES[20:], *STATES[:20]]
    folder = write_bag(tmp_path / "e", NUM_STEPS, states=states, zstd=zstd)
    for step, state in enumerate(states_of(folder)):
        frame_ns = synthetic.stamp_of(step)
        # the first frame comes before all states, 7 ms are hardly late
        expected = [s for s in STATES if s.stamp_ns <= frame_ns] or STATES[:1]
        assert state is not None
        assert state.T_base_ee[0, 3] == pytest.approx(expected[-1].x_m)
        assert state.T_base_target[0, 3] == pytest.approx(expected[-1].x_m + LEAD_M)
        np.testing.assert_allclose(state.T_base_ee[:3, :3], np.diag([1.0, -1.0, -1.0]))
        assert state.gripper_width_m == pytest.approx(expected[-1].width_m)
        assert state.gripper_closed == expected[-1].closed == (step > 3)
        # 1 mm in 20 ms; at the beginning nothing is known to compare with
        speed_m_s = -0.05 if len(expected) > 4 else 0.0
        assert state.gripper_speed_m_s == pytest.approx(speed_m_s)


@pytest.mark.parametrize("topic", [EXECUTOR_STATE_TOPIC, GRIPPER_TOPIC])
def test_a_bag_without_states_gives_samples_without(tmp_path: Path, topic: str) -> None:
    folder = write_bag(tmp_path / "e", NUM_STEPS, states=STATES, leave_out=(topic,))
    assert states_of(folder) == [None] * NUM_STEPS
    silent = write_bag(tmp_path / "silent", NUM_STEPS, states=())
    assert states_of(silent) == [None] * NUM_STEPS


def test_what_came_too_late_or_long_ago_or_is_no_pose_is_unknown(tmp_path: Path) -> None:
    frames_ns = [synthetic.stamp_of(k) for k in range(NUM_STEPS)]
    late = State(frames_ns[0] + 31 * MS)
    broken = State(frames_ns[4], quaternion=(0.0, 0.0, 0.0, 0.0))
    states = states_of(write_bag(tmp_path / "e", NUM_STEPS, states=[late, broken]))
    assert [state is not None for state in states] == [False, True, True, True, False, False]
    silent = State(frames_ns[1] - STALE_NS - 1)
    states = states_of(write_bag(tmp_path / "silent", NUM_STEPS, states=[silent]))
    assert [state is not None for state in states] == [True, *[False] * 5]


def test_an_index_of_an_earlier_version_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_bag(tmp_path / "e", NUM_STEPS, states=STATES)
    cache = CacheOptions(tmp_path / "cache")
    version = index_files._VERSION
    with monkeypatch.context() as earlier:
        earlier.setattr(index_files, "_VERSION", version - 1)
        states_of(folder, cache=cache)
    built: list[Path] = []
    build = index_files.build_index

    def spy(folder: Path, history: int):
        built.append(folder)
        return build(folder, history)

    monkeypatch.setattr(index_files, "build_index", spy)
    fresh, stored = states_of(folder, cache=cache), states_of(folder, cache=cache)
    assert built == [folder]
    for one, other in zip(fresh, stored, strict=True):
        assert one is not None
        assert other is not None
        assert np.array_equal(one.vector(), other.vector())
