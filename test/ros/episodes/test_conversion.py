"""rosbag2 -> LeRobot -> RLDS -> rosbag2: the bag that comes back is the bag that went."""

import json
from collections import defaultdict
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic_episode as synthetic
import typer
from typer.testing import CliRunner

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_ros.cli.episodes import convert as commands
from spatialbot_ros.cli.episodes.conversion import convert
from spatialbot_ros.episodes import message_versions
from spatialbot_ros.episodes.bag_contents import read_bag, write_bag
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.message_versions import to_installed
from spatialbot_ros.episodes.reader import EpisodeReader

MSGS = "spatialbot_msgs/msg"
NUM_FRAMES = 9
ACTION_AFTER_NS = 40_000_000


def write_run(folder: Path, seed: int = 1, **options: Any) -> Path:
    """An episode as a policy leaves it: an action on every other frame, stamps of its own."""
    metadata = replace(synthetic.METADATA, seed=seed, **options.pop("metadata", {}))
    spec = metadata.spec
    writer = synthetic.open_writer(folder, metadata=metadata, **options)
    rng = np.random.default_rng(seed)
    for step in range(NUM_FRAMES):
        frame_ns = synthetic.stamp_of(step)
        silent = {"ACTION_TOPIC": None, "POLICY_STEP_TOPIC": None}
        synthetic.write_step(writer, step, **silent)
        if step % 2:
            continue
        action = DeltaAction((*rng.integers(0, 101, 6).tolist(), 100 * (step > 4)), spec)
        own = {"header": synthetic.header(frame_ns + ACTION_AFTER_NS), "sequence": step + 1}
        own["observation_stamp"] = synthetic.stamp(frame_ns)
        for topic, message in (
            (
                contract.ACTION_TOPIC,
                synthetic.build(
                    f"{MSGS}/DeltaAction",
                    source="policy",
                    action_spec_id=spec.id,
                    bins=np.array(action.bins, np.uint8),
                    translation=action.translation_m,
                    rotation=action.rotation_rad,
                    gripper_closed=action.gripper_closed,
                    **own,
                ),
            ),
            (
                contract.POLICY_STEP_TOPIC,
                synthetic.build(f"{MSGS}/PolicyStep", text=f"answer {step}", **own),
            ),
        ):
            data = synthetic.encode(topic, message)
            assert writer.write(topic, data, frame_ns + ACTION_AFTER_NS)
    writer.close(options.get("label", "success"), "done", synthetic.stamp_of(NUM_FRAMES))
    return folder


def hashes(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Topic -> (log time, SHA-256 of the message) of everything in a bag."""
    found = defaultdict(list)
    with EpisodeReader(folder) as reader:
        for topic, stamp_ns, data in reader.raw():
            found[topic].append((stamp_ns, sha256(data).hexdigest()))
    return {topic: sorted(values) for topic, values in found.items()}


def test_rows_pair_each_action_with_its_frame(tmp_path: Path) -> None:
    episode = read_bag(write_run(tmp_path / "a"))
    steps = episode.steps
    stamps = [synthetic.stamp_of(step) for step in range(0, NUM_FRAMES, 2)]
    assert steps.capture_ns.tolist() == steps.observed_ns.tolist() == stamps
    assert steps.sent_ns.tolist() == [stamp + ACTION_AFTER_NS for stamp in stamps]
    assert steps.policy_text == tuple(f"answer {step}" for step in range(0, NUM_FRAMES, 2))
    assert steps.sequence.tolist() == [1, 3, 5, 7, 9]
    np.testing.assert_allclose(steps.joint_position[:, 0], [0.0, 0.2, 0.4, 0.6, 0.8])
    assert steps.gripper_command_closed.tolist() == [False, False, True, True, True]
    limits = np.array([0.03] * 3 + [0.15] * 3)
    metric = np.concatenate([steps.translation_m, steps.rotation_rad], axis=1)
    np.testing.assert_allclose(metric, (steps.bins[:, :6] - 50) / 50 * limits, atol=1e-12)
    assert (episode.num_frames, episode.num_lone_images) == (NUM_FRAMES, 0)


@pytest.mark.parametrize("route", [("lerobot", "rlds"), ("rlds", "lerobot")])
def test_round_trip_hash_by_hash(tmp_path: Path, route: tuple[str, ...]) -> None:
    first = write_run(tmp_path / "in/a", 1)
    second = write_run(tmp_path / "in/b", 2)
    source = tmp_path / "in"
    for k, name in enumerate((*route, "rosbag2")):
        output = tmp_path / f"out{k}"
        report = convert([source], output, name, video_codec="ffv1")
        assert (report.episodes, report.steps, report.frames_between) == (2, 10, 8)
        source = output
    for original in (first, second):
        back = source / original.name
        assert hashes(back) == hashes(original)
        assert check_episode(back).problems == ()
        before, after = check_episode(original).metadata, check_episode(back).metadata
        assert before == after


def test_lossy_colour_leaves_depth_and_numbers_alone(tmp_path: Path) -> None:
    original = write_run(tmp_path / "in/a")
    convert([original], tmp_path / "lerobot", "lerobot")
    convert([tmp_path / "lerobot"], tmp_path / "back", "rosbag2")
    before, after = hashes(original), hashes(tmp_path / "back/a")
    assert before.pop(contract.COLOR_TOPIC) != after.pop(contract.COLOR_TOPIC)
    assert before == after
    assert check_episode(tmp_path / "back/a").problems == ()


def test_compressed_bags_convert_and_come_back_raw(tmp_path: Path) -> None:
    formats = ImageFormats(color="jpeg", depth="png")
    original = write_run(tmp_path / "in/a", formats=formats)
    convert([original], tmp_path / "set", "rlds")
    convert([tmp_path / "set"], tmp_path / "back", "rosbag2")
    assert hashes(tmp_path / "back/a") == hashes(original)
    assert check_episode(tmp_path / "back/a").problems == ()


def test_images_without_their_other_half_are_counted(tmp_path: Path) -> None:
    writer = synthetic.open_writer(tmp_path / "a")
    for step in range(6):
        synthetic.write_step(writer, step, **({"DEPTH_TOPIC": None} if step == 3 else {}))
    writer.close("success", "", synthetic.stamp_of(6))
    report = convert([tmp_path / "a"], tmp_path / "set", "lerobot", video_codec="ffv1")
    # the action on frame 3 goes with the newest whole frame
    assert (report.steps, report.lone_images) == (6, 1)
    convert([tmp_path / "set"], tmp_path / "back", "rosbag2")
    found = hashes(tmp_path / "back/a")
    assert len(found[contract.COLOR_TOPIC]) == len(found[contract.DEPTH_TOPIC]) == 5


def test_refused_actions_are_no_steps_but_come_back(tmp_path: Path) -> None:
    writer = synthetic.open_writer(tmp_path / "a")
    for step in range(4):
        action = synthetic.messages_of(step)[contract.ACTION_TOPIC]
        action.sequence = step + 1
        synthetic.write_step(writer, step, ACTION_TOPIC=action)
    for sequence, severity in ((1, 1), (2, 2)):  # clamped, refused
        event = synthetic.build(
            f"{MSGS}/SafetyEvent",
            header=synthetic.header(synthetic.stamp_of(3)),
            severity=severity,
            source="policy",
            sequence=sequence,
        )
        data = synthetic.encode(contract.SAFETY_EVENT_TOPIC, event)
        writer.write(contract.SAFETY_EVENT_TOPIC, data, synthetic.stamp_of(3))
    writer.close("success", "", synthetic.stamp_of(4))
    assert read_bag(tmp_path / "a").steps.sequence.tolist() == [1, 3, 4]
    report = convert([tmp_path / "a"], tmp_path / "set", "rlds")
    assert (report.steps, report.refused, report.frames_between) == (3, 1, 1)
    convert([tmp_path / "set"], tmp_path / "back", "rosbag2")
    assert hashes(tmp_path / "back/a") == hashes(tmp_path / "a")


def test_different_action_specs_do_not_mix(tmp_path: Path) -> None:
    other = ActionSpec(translation_limit_m=0.05).to_mapping()
    write_run(tmp_path / "in/a")
    write_run(tmp_path / "in/b", metadata={"action_spec": other})
    for name in ("lerobot", "rlds"):
        with pytest.raises(ActionSpecMismatchError, match="a and b do not fit into one dataset"):
            convert([tmp_path / "in"], tmp_path / "set", name)
    # nothing half done is left, hidden or not
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    report = convert([tmp_path / "in"], tmp_path / "set", "rlds", skip_bad=True)
    assert report.episodes == 1
    [(name, why)] = report.skipped.items()
    assert name.endswith("in/b") and "translation_limit_m" in why


def test_bad_sources_and_outputs(tmp_path: Path) -> None:
    good = write_run(tmp_path / "in/a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").mkdir()
    with pytest.raises(RecordingError, match="holds no episode"):
        convert([tmp_path / "empty"], tmp_path / "x", "rlds")
    with pytest.raises(RecordingError, match="is not a folder"):
        convert([tmp_path / "nowhere"], tmp_path / "x", "rlds")
    with pytest.raises(RecordingError, match="exists already"):
        convert([good], tmp_path / "there", "rlds")
    with pytest.raises(UnknownNameError, match="lerobot, rlds, rosbag2"):
        convert([good], tmp_path / "x", "hdf5")
    with pytest.raises(UnknownNameError, match="av1, ffv1, h264"):
        convert([good], tmp_path / "x", "lerobot", video_codec="gif")
    with pytest.raises(RecordingError, match="no episode was converted"):
        convert([good], tmp_path / "x", "rlds", labels=["failure"])
    mcap = next(write_run(tmp_path / "in/cut", 2).glob("*.mcap"))
    mcap.write_bytes(mcap.read_bytes()[:-5000])
    with pytest.raises(RecordingError, match="in/cut"):
        convert([tmp_path / "in"], tmp_path / "x", "rlds")
    report = convert([tmp_path / "in"], tmp_path / "x", "rlds", skip_bad=True)
    assert report.episodes == 1 and len(report.skipped) == 1


def test_damaged_datasets_give_what_they_can(tmp_path: Path) -> None:
    write_run(tmp_path / "in/a", 1)
    write_run(tmp_path / "in/b", 2)
    convert([tmp_path / "in"], tmp_path / "rlds", "rlds")
    [shard] = (tmp_path / "rlds/1.0.0").glob("*.tfrecord-*")
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(RecordingError, match="cut off"):
        convert([tmp_path / "rlds"], tmp_path / "x", "rosbag2")
    report = convert([tmp_path / "rlds"], tmp_path / "x", "rosbag2", skip_bad=True)
    assert report.episodes == 1 and "cut off" in next(iter(report.skipped.values()))
    convert([tmp_path / "in"], tmp_path / "lerobot", "lerobot", video_codec="ffv1")
    (tmp_path / "lerobot/extras/messages/chunk-000/episode-000000.parquet").unlink()
    report = convert([tmp_path / "lerobot"], tmp_path / "y", "rosbag2", skip_bad=True)
    assert report.episodes == 1 and "episode-000000.parquet" in str(report.skipped)


def test_full_disk_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    original = write_run(tmp_path / "in/a")
    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(RecordingError, match="No space left"):
        convert([original], tmp_path / "set", "lerobot", video_codec="ffv1")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_two_episodes_of_one_name_both_come_back(tmp_path: Path) -> None:
    write_run(tmp_path / "monday/a", 1)
    write_run(tmp_path / "tuesday/a", 2)
    sources = [tmp_path / "monday", tmp_path / "tuesday"]
    convert(sources, tmp_path / "set", "rlds")
    convert([tmp_path / "set"], tmp_path / "back", "rosbag2")
    seeds = {p.name: check_episode(p).metadata.seed for p in (tmp_path / "back").iterdir()}
    assert seeds == {"a": 1, "a_2": 2}


def test_names_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    episode = read_bag(write_run(tmp_path / "in/a"))
    from spatialbot_ros.episodes.bag_contents import BagDatasetWriter

    for name in ("../b", "/tmp/b", "..", ""):
        with (
            pytest.raises(RecordingError, match=r"cannot be a file.s name"),
            BagDatasetWriter(tmp_path / "out") as writer,
        ):
            writer.add(replace(episode, name=name))


def test_older_messages_get_the_installed_definition() -> None:
    class Older:
        """A policy step before depth_checksum, with a field that is gone."""

        def __init__(self, message: Any) -> None:
            self.__dict__ = {n: getattr(message, n) for n in message.__dataclass_fields__}
            del self.depth_checksum
            self.gone = 3

    ros_type = f"{MSGS}/PolicyStep"
    answer = synthetic.build(f"{MSGS}/DepthAnswer")
    message = synthetic.build(ros_type, text="hello", sequence=7, depth_answers=[answer])
    data = to_installed(Older(message), ros_type)
    back = message_types().deserialize_cdr(data, ros_type)
    assert (back.text, back.sequence, back.depth_checksum) == ("hello", 7, 0)
    assert len(back.depth_answers) == 1
    assert data == bytes(message_types().serialize_cdr(message, ros_type))


def test_messages_of_another_definition_are_not_written(tmp_path: Path) -> None:
    episode = read_bag(write_run(tmp_path / "in/a"))
    topic = contract.ACTION_TOPIC
    assert episode.type_hashes[topic] == message_versions.installed_hashes()[topic]
    strange = replace(episode, type_hashes={**episode.type_hashes, topic: "RIHS01_0"})
    with pytest.raises(RecordingError, match=f"definitions of the messages on {topic}"):
        write_bag(tmp_path / "b", strange)
    assert not (tmp_path / "b").exists()


def test_commands(tmp_path: Path) -> None:
    write_run(tmp_path / "in/a", 1)
    app = typer.Typer()
    commands.register(app)
    run = CliRunner().invoke
    arguments = [str(tmp_path / "in"), str(tmp_path / "set"), "--to", "lerobot", "--json"]
    result = run(app, ["convert", *arguments])
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert (values["episodes"], values["steps"], values["skipped"]) == (1, 5, {})
    result = run(app, ["card", str(tmp_path / "set"), "--json", "--license", "cc-by-4.0"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["labels"] == {"success": 1}
    assert "license: cc-by-4.0" in (tmp_path / "set/README.md").read_text()
    assert "data_files: data/*/*.parquet" in (tmp_path / "set/README.md").read_text()
    result = run(app, ["convert", *arguments])
    assert isinstance(result.exception, RecordingError)
