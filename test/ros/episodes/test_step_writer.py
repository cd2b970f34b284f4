"""Collected episodes as bags: the contract holds, and interrupted runs are taken up again."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import parse_action_text
from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EE_POSE_TOPIC,
    EPISODE_TOPICS,
    GRIPPER_TOPIC,
    POLICY_STEP_TOPIC,
    SIDECAR_NAME,
)
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import read_sidecar, write_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import stamp_ns_of
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.message_builder import build
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.step_writer import StepWriterFactory
from spatialbot_sim.collect import CollectOptions, Collector, Job
from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
from spatialbot_sim.expert_noise import NoiseOptions

SPEC = load_action_spec()
# short: what is tested is the recording, not the success
OPTIONS = CollectOptions(
    noise=NoiseOptions(burst_probability=0.5), max_steps=6, attempts=1, keep_failures=True
)
JOBS = [Job("pick_place", seed) for seed in (0, 1)]


def recipe_for(folder: Path, **formats: str) -> CollectorRecipe:
    factory = StepWriterFactory(folder, ImageFormats(**formats), reserve_bytes=0)
    return CollectorRecipe(load_cell(), SPEC, OPTIONS, factory)


def collect(folder: Path, num_workers: int = 1, **formats: str) -> dict[int, Path]:
    results = run_jobs(recipe_for(folder, **formats), JOBS, num_workers=num_workers)
    return {result.job.seed: Path(result.folder) for result in results}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return collect(tmp_path_factory.mktemp("collected"))


def digests(folder: Path) -> list[tuple[str, int, str]]:
    topics = (COLOR_TOPIC, DEPTH_TOPIC, ACTION_TOPIC, POLICY_STEP_TOPIC, EE_POSE_TOPIC)
    with EpisodeReader(folder) as reader:
        return [(t, ns, hashlib.sha256(data).hexdigest()) for t, ns, data in reader.raw(*topics)]


def test_the_contract_holds(episodes: dict[int, Path]) -> None:
    for folder in episodes.values():
        report = check_episode(folder)
        assert report.problems == ()
        assert report.num_pairs == OPTIONS.max_steps + 1
        assert report.counts[ACTION_TOPIC] == OPTIONS.max_steps
        silent = {
            t.name for t in EPISODE_TOPICS.values() if t.required and not report.counts[t.name]
        }
        assert not silent


def test_actions_and_answers_belong_together(episodes: dict[int, Path]) -> None:
    with EpisodeReader(episodes[0]) as reader:
        messages = list(reader.messages(ACTION_TOPIC, POLICY_STEP_TOPIC))
        frames = {ns for ns, _ in reader.color_frames()}
        closed = reader.gripper_width().values[:, 1]
        label = reader.metadata.label
    assert label == "failure"
    actions = {m.sequence: m for topic, _, m in messages if topic == ACTION_TOPIC}
    answers = {m.sequence: m for topic, _, m in messages if topic == POLICY_STEP_TOPIC}
    assert list(actions) == list(range(1, OPTIONS.max_steps + 1))
    assert set(answers) == {0, *actions}
    assert len(closed) == len(answers)
    sources = set()
    for sequence, action in actions.items():
        own = parse_action_text(answers[sequence].text, SPEC)
        assert stamp_ns_of(action.observation_stamp) in frames
        assert action.observation_stamp == answers[sequence].observation_stamp
        assert (action.source == "expert") == (tuple(action.bins) == own.bins)
        assert action.action_spec_id == SPEC.id
        sources.add(action.source)
    assert sources == {"expert", "noise"}


def test_poses_and_camera_are_stored(episodes: dict[int, Path]) -> None:
    cell = load_cell()
    with EpisodeReader(episodes[0]) as reader:
        path_m = reader.gripper_path().values
        joints = reader.joints()
        assert reader.intrinsics() == cell.camera.color
        T = reader.T_base_camera()
    assert np.allclose(path_m[0], cell.home_tcp_m, atol=1e-3)
    assert T is not None and np.allclose(T, cell.camera.T_base_color, atol=1e-6)
    assert joints.values.shape == (OPTIONS.max_steps + 1, 9)


def test_who_works_changes_no_byte(episodes: dict[int, Path], tmp_path: Path) -> None:
    others = collect(tmp_path / "two", num_workers=2)
    for seed, folder in episodes.items():
        assert digests(others[seed]) == digests(folder)
        assert others[seed].name == folder.name


def test_compressed_images_show_the_same(episodes: dict[int, Path], tmp_path: Path) -> None:
    (result,) = run_jobs(recipe_for(tmp_path, color="jpeg", depth="png"), JOBS[:1])
    folder = Path(result.folder)
    assert check_episode(folder).problems == ()
    with EpisodeReader(folder) as small, EpisodeReader(episodes[0]) as full:
        for (_, ours), (_, theirs) in zip(small.depth_frames(), full.depth_frames(), strict=True):
            assert np.array_equal(ours, theirs)
        for (_, ours), (_, theirs) in zip(small.color_frames(), full.color_frames(), strict=True):
            assert np.abs(ours.astype(int) - theirs).mean() < 3.0


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    folders = collect(tmp_path)
    before = digests(folders[1])
    # as a kill leaves it: the bag has no metadata.yaml, the sidecar no end
    (folders[0] / "metadata.yaml").unlink()
    write_sidecar(folders[0], replace(read_sidecar(folders[0]), stop_ns=None, label="unknown"))
    (folders[0] / "half.mcap").write_bytes(b"torn")
    results = {r.job.seed: r for r in run_jobs(recipe, JOBS)}
    assert not results[0].skipped and results[1].skipped
    assert check_episode(folders[0]).problems == ()
    assert not (folders[0] / "half.mcap").exists()
    assert digests(folders[1]) == before


def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path: Path) -> None:
    factory = StepWriterFactory(tmp_path, reserve_bytes=10**18)
    collector = Collector(load_cell(), SPEC, OPTIONS, factory())
    try:
        with pytest.raises(RecordingError, match="full"):
            collector.run(JOBS[0])
    finally:
        collector.close()
    assert not list(tmp_path.rglob(SIDECAR_NAME))


def test_messages_begin_with_ros_defaults() -> None:
    state = build("spatialbot_msgs/msg/GripperState", width=0.04)
    assert (state.width, state.closed_command, state.header.frame_id) == (0.04, False, "")
    with pytest.raises(TypeError, match="no field"):
        build(EPISODE_TOPICS[GRIPPER_TOPIC].ros_type, wide=1)
    action = build(EPISODE_TOPICS[ACTION_TOPIC].ros_type)
    assert len(action.bins) == 7 and action.translation.dtype == np.float64
