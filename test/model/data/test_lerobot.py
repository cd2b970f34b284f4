"""LeRobot v3.0: the documented layout, checked by hand, and the way back."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_contents import CAMERA, FIRST_NS, FRAME_NS, assert_same, color_of, make_contents

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_model.data import lerobot_schema
from spatialbot_model.data.lerobot_reader import LeRobotReader
from spatialbot_model.data.lerobot_writer import LeRobotWriter

COLOR = "observation.images.color"


def _list(kind: pa.DataType, length: int) -> pa.DataType:
    return pa.list_(kind, length)


_F64, _F32, _I64 = pa.float64(), pa.float32(), pa.int64()
DATA_COLUMNS = {
    "observation.state": _list(_F32, 11),
    "action": _list(_F32, 7),
    "capture_ns": _I64,
    "observed_ns": _I64,
    "sent_ns": _I64,
    "sequence": _I64,
    "source": pa.string(),
    "bins": _list(_I64, 7),
    "translation_m": _list(_F64, 3),
    "rotation_rad": _list(_F64, 3),
    "gripper_closed": pa.bool_(),
    "ee_pose": _list(_F64, 7),
    "ee_ns": _I64,
    "joint_position": _list(_F64, 3),
    "joint_ns": _I64,
    "gripper_width_m": _F64,
    "gripper_command_closed": pa.bool_(),
    "gripper_ns": _I64,
    "policy_text": pa.string(),
    "depth_sha256": pa.string(),
    "color_sha256": pa.string(),
    "timestamp": _F32,
    "frame_index": _I64,
    "episode_index": _I64,
    "index": _I64,
    "task_index": _I64,
    "next.reward": _F32,
    "next.done": pa.bool_(),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lerobot") / "set"
    with LeRobotWriter(folder, "ffv1") as writer:
        writer.add(make_contents(1, 4))
        writer.add(make_contents(2, 3, label="failure", instruction="put it in the cup"))
        writer.add(make_contents(3, 5))
    return folder


def test_info_is_what_lerobot_documents(dataset: Path) -> None:
    info = json.loads((dataset / "meta/info.json").read_text())
    assert {k: info[k] for k in ("codebase_version", "fps", "splits", "chunks_size")} == {
        "codebase_version": "v3.0",
        "fps": 10,
        "splits": {"train": "0:3"},
        "chunks_size": 1000,
    }
    totals = (info["total_episodes"], info["total_frames"], info["total_tasks"])
    assert totals == (3, 12, 2)
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    assert info["video_path"] == (
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    )
    assert info["spatialbot"]["action_spec"] == ActionSpec().to_mapping()
    assert set(info["features"]) == {*DATA_COLUMNS, COLOR}
    video = info["features"][COLOR]
    assert (video["dtype"], video["shape"]) == ("video", [48, 64, 3])


def test_policies_are_fed_state_action_and_image_only(dataset: Path) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    fed = {name for name in features if name.startswith(("observation", "action"))}
    assert fed == {COLOR, "observation.state", "action"}


def test_data_have_the_declared_columns(dataset: Path) -> None:
    table = pq.read_table(dataset / "data/chunk-000/file-000.parquet")
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == DATA_COLUMNS
    rows = table.to_pylist()
    assert [row["index"] for row in rows] == list(range(12))
    assert [row["episode_index"] for row in rows] == [0] * 4 + [1] * 3 + [2] * 5
    assert [row["frame_index"] for row in rows] == [*range(4), *range(3), *range(5)]
    assert [row["task_index"] for row in rows] == [0] * 4 + [1] * 3 + [0] * 5
    assert [row["next.done"] for row in rows if row["next.done"]] == [True] * 3
    assert [row["next.reward"] for row in rows if row["next.done"]] == [1.0, 0.0, 1.0]
    np.testing.assert_allclose([row["timestamp"] for row in rows[:4]], [0, 0.1, 0.2, 0.3])
    # the camera's own stamps, not multiples of anything
    assert [r["capture_ns"] for r in rows[:4]] == [FIRST_NS + 3 * k * FRAME_NS for k in range(4)]


def test_tasks_have_their_text_as_pandas_index(dataset: Path) -> None:
    table = pq.read_table(dataset / "meta/tasks.parquet")
    assert table.to_pydict() == {
        "task_index": [0, 1],
        "task": ["put the red cube on the left board", "put it in the cup"],
    }
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_episodes_say_where_their_frames_lie(dataset: Path) -> None:
    rows = pq.read_table(dataset / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    spans = [(r["dataset_from_index"], r["dataset_to_index"], r["length"]) for r in rows]
    assert spans == [(0, 4, 4), (4, 7, 3), (7, 12, 5)]
    key = f"videos/{COLOR}"
    times = [(r[f"{key}/from_timestamp"], r[f"{key}/to_timestamp"]) for r in rows]
    np.testing.assert_allclose(times, [(0.0, 0.4), (0.4, 0.7), (0.7, 1.2)])
    for row in rows:
        assert row["tasks"] and row["data/chunk_index"] == row["data/file_index"] == 0
        assert row[f"{key}/chunk_index"] == row[f"{key}/file_index"] == 0
    assert [r["spatialbot/label"] for r in rows] == ["success", "failure", "success"]
    assert [r["spatialbot/seed"] for r in rows] == [1, 2, 3]


def test_video_shows_frame_k_at_k_over_fps(dataset: Path) -> None:
    with av.open(str(dataset / f"videos/{COLOR}/chunk-000/file-000.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 12
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 10, atol=1e-6)
    # row 5 is step 1 of episode 1, made from frame 3 of seed 2
    assert np.array_equal(frames[5].to_ndarray(format="rgb24"), color_of(2, 3))


def test_stats_are_those_of_all_rows(dataset: Path) -> None:
    stats = json.loads((dataset / "meta/stats.json").read_text())
    actions = np.concatenate(
        [make_contents(s, n).steps.action for s, n in ((1, 4), (2, 3), (3, 5))]
    )
    assert stats["action"]["count"] == [12]
    for name, value in (
        ("mean", actions.mean(axis=0)),
        ("std", actions.std(axis=0)),
        ("min", actions.min(axis=0)),
        ("q50", np.quantile(actions, 0.5, axis=0)),
    ):
        np.testing.assert_allclose(stats["action"][name], value, atol=1e-6)
    assert np.array(stats[COLOR]["mean"]).shape == (3, 1, 1)
    # every fourth pixel of a row 0, 4, 8, .. 252: red is 16 levels of 16
    np.testing.assert_allclose(stats[COLOR]["mean"][0][0][0], 120 / 255, atol=1e-6)


def test_way_back_is_exact(dataset: Path) -> None:
    reader = LeRobotReader(dataset)
    reader.open()
    back = list(reader.episodes())
    assert reader.num_episodes == len(back) == 3
    assert_same(make_contents(1, 4), back[0])
    assert_same(make_contents(2, 3, label="failure", instruction="put it in the cup"), back[1])
    assert_same(make_contents(3, 5), back[2])


@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_lossy_colour_is_close_and_all_else_exact(tmp_path: Path, codec: str) -> None:
    contents = [make_contents(1, 5), make_contents(2, 4)]
    with LeRobotWriter(tmp_path / "set", codec) as writer:
        for episode in contents:
            writer.add(episode)
    reader = LeRobotReader(tmp_path / "set")
    reader.open()
    for written, read in zip(contents, reader.episodes(), strict=True):
        assert_same(written, read, color_too=False)
        steps = set(written.steps.capture_ns.tolist())
        for a, b in zip(written.frames(), read.frames(), strict=True):
            error = np.mean((a.color.astype(float) - b.color.astype(float)) ** 2)
            # frames between steps are kept as they were
            psnr_db = 10 * np.log10(255**2 / error) if error else np.inf
            assert psnr_db == np.inf if a.stamp_ns not in steps else 20.0 < psnr_db < np.inf


def test_files_roll_over_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_schema, "DATA_FILE_MB", 0)
    monkeypatch.setattr(lerobot_schema, "VIDEO_FILE_MB", 0)
    contents = [make_contents(s, 3) for s in range(3)]
    with LeRobotWriter(tmp_path / "set", "ffv1") as writer:
        for episode in contents:
            writer.add(episode)
    for pattern in ("data/chunk-000/*.parquet", f"videos/{COLOR}/chunk-000/*.mp4"):
        assert len(list((tmp_path / "set").glob(pattern))) == 3
    reader = LeRobotReader(tmp_path / "set")
    reader.open()
    for written, read in zip(contents, reader.episodes(), strict=True):
        assert_same(written, read)


def test_two_actions_on_one_frame(tmp_path: Path) -> None:
    one = make_contents(1, 4)
    doubled = replace(one, steps=one.steps.select([0, 1, 1, 2, 3]))
    with LeRobotWriter(tmp_path / "set", "ffv1") as writer:
        writer.add(doubled)
    reader = LeRobotReader(tmp_path / "set")
    reader.open()
    assert_same(doubled, next(reader.episodes()))


@pytest.mark.parametrize(
    ("other", "error", "says"),
    [
        (
            {"spec": ActionSpec(translation_limit_m=0.05)},
            ActionSpecMismatchError,
            r"pick_place_seed1 and pick_place_seed2.*translation_limit_m",
        ),
        (
            {"camera": replace(CAMERA, width=32)},
            RecordingError,
            "seed2 has images of 32x48, pick_place_seed1 of 64x48",
        ),
        ({"joints": ("a", "b")}, RecordingError, "joints a, b"),
        ({"num_steps": 0}, RecordingError, "seed2 holds no action"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, other: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says), LeRobotWriter(tmp_path / "set", "ffv1") as writer:
        writer.add(make_contents(1))
        writer.add(make_contents(2, **other))


def test_unusable_rate_codec_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="av1, ffv1, h264"):
        LeRobotWriter(tmp_path, "mjpeg")
    with (
        pytest.raises(RecordingError, match=r"12\.5 Hz"),
        LeRobotWriter(tmp_path / "a", "ffv1") as writer,
    ):
        writer.add(make_contents(1, spec=ActionSpec(rate_hz=12.5)))
    with pytest.raises(RecordingError, match="no episode"), LeRobotWriter(tmp_path / "b"):
        pass


def test_missing_frame_is_noticed(tmp_path: Path) -> None:
    episode = make_contents(1, 4)

    def without_one():
        return (f for f in episode.frames() if f.stamp_ns != episode.steps.capture_ns[2])

    with (
        pytest.raises(RecordingError, match="step 2 needs the frame"),
        LeRobotWriter(tmp_path / "set", "ffv1") as writer,
    ):
        writer.add(replace(episode, frames=without_one))


def test_changed_and_foreign_datasets_are_refused(dataset: Path, tmp_path: Path) -> None:
    import shutil

    def open_copy(name: str) -> tuple[Path, LeRobotReader]:
        copy = tmp_path / name
        shutil.copytree(dataset, copy)
        return copy, LeRobotReader(copy)

    copy, reader = open_copy("swapped")
    depth = copy / "depth/chunk-000"
    (depth / "episode-000002.mkv").replace(depth / "episode-000000.mkv")
    reader.open()
    with pytest.raises(RecordingError, match=r"depth image 0 .* hash differs"):
        list(next(reader.episodes()).frames())

    copy, reader = open_copy("cut")
    video = copy / f"videos/{COLOR}/chunk-000/file-000.mp4"
    video.write_bytes(video.read_bytes()[:5000])
    reader.open()
    with pytest.raises(RecordingError, match=r"file-000\.mp4"):
        list(next(reader.episodes()).frames())

    copy, reader = open_copy("foreign")
    info = json.loads((copy / "meta/info.json").read_text())
    del info["spatialbot"]
    (copy / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(RecordingError, match="was not written by this software"):
        reader.open()
    (copy / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))
    with pytest.raises(RecordingError, match=r"v2\.1, expected v3\.0"):
        reader.open()
    (copy / "meta/info.json").write_text("{")
    with pytest.raises(RecordingError, match="no LeRobot dataset"):
        reader.open()
