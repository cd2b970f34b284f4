"""RLDS: golden bytes, the layout of TensorFlow Datasets, an independent parser, the way back."""

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_contents import assert_same, color_of, depth_of, make_contents
from tfrecord_parser import crc32c, example, records, unmasked

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ActionSpecMismatchError, RecordingError
from spatialbot_model.data import rlds_example, rlds_schema
from spatialbot_model.data.rlds_example import decode_example, encode_example
from spatialbot_model.data.rlds_reader import RldsReader
from spatialbot_model.data.rlds_tfrecord import masked_crc, read_records, write_record
from spatialbot_model.data.rlds_writer import RldsWriter, dataset_name


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rlds") / "my_set"
    with RldsWriter(folder) as writer:
        writer.add(make_contents(1, 4))
        writer.add(make_contents(2, 3, label="failure"))
    return folder


def _shard(dataset: Path) -> Path:
    return dataset / "1.0.0" / "my_set-train.tfrecord-00000-of-00001"


def test_golden_bytes() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the published check value
    assert unmasked(masked_crc(b"123456789")) == 0xE3069283
    # Example{features{feature{key: "a", value{int64_list{[1, 2]}}}}}
    encoded = encode_example({"a": np.array([1, 2], np.int64)})
    assert encoded.hex() == "0a0d" + "0a0b" + "0a0161" + "1206" + "1a04" + "0a020102"
    encoded = encode_example({"b": [b"xy"]})
    assert encoded.hex() == "0a0d" + "0a0b" + "0a0162" + "1206" + "0a04" + "0a027879"
    encoded = encode_example({"c": np.array([1.0], np.float32)})
    assert encoded.hex() == "0a0f" + "0a0d" + "0a0163" + "1208" + "1206" + "0a04" + "0000803f"
    buffer = io.BytesIO()
    assert write_record(buffer, b"abc") == len(buffer.getvalue()) == 19
    assert buffer.getvalue()[:8] == bytes([3, 0, 0, 0, 0, 0, 0, 0])
    assert buffer.getvalue()[12:15] == b"abc"


_numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5).map(
    lambda v: np.array(v, np.int64)
)
_floats = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5).map(
    lambda v: np.array(v, np.float32)
)
_features = st.dictionaries(
    st.text(max_size=8),
    st.lists(st.binary(max_size=9), max_size=4) | _floats | _numbers,
    max_size=5,
)


@given(_features)
def test_examples_are_read_by_both_parsers(features: dict[str, Any]) -> None:
    encoded = encode_example(features)
    if features:
        assert example(encoded) == {name: list(values) for name, values in features.items()}
    back = decode_example(encoded)
    assert {n: list(v) for n, v in back.items()} == {n: list(v) for n, v in features.items()}


def test_layout_is_that_of_tensorflow_datasets(dataset: Path) -> None:
    assert sorted(path.name for path in (dataset / "1.0.0").iterdir()) == [
        "dataset_info.json",
        "features.json",
        "my_set-train.tfrecord-00000-of-00001",
    ]
    info = json.loads((dataset / "1.0.0/dataset_info.json").read_text())
    assert (info["name"], info["version"], info["fileFormat"]) == ("my_set", "1.0.0", "tfrecord")
    [split] = info["splits"]
    assert split["shardLengths"] == ["2"]
    assert split["numBytes"] == str(_shard(dataset).stat().st_size)
    features = json.loads((dataset / "1.0.0/features.json").read_text())
    core = "tensorflow_datasets.core.features"
    assert features["pythonClassName"] == f"{core}.features_dict.FeaturesDict"
    steps = features["featuresDict"]["features"]["steps"]
    assert steps["pythonClassName"] == f"{core}.dataset_feature.Dataset"
    assert steps["sequence"]["length"] == "-1"
    step = steps["sequence"]["feature"]["featuresDict"]["features"]
    assert {"observation", "action", "reward", "discount", "is_first", "is_last"} <= set(step)
    depth = step["observation"]["featuresDict"]["features"]["depth"]
    assert depth["pythonClassName"] == f"{core}.image_feature.Image"
    assert depth["image"] == {
        "shape": {"dimensions": ["48", "64", "1"]},
        "dtype": "uint16",
        "encodingFormat": "png",
    }
    assert step["action"]["tensor"] == {
        "shape": {"dimensions": ["7"]},
        "dtype": "float32",
        "encoding": "none",
    }


def test_an_independent_parser_finds_what_was_recorded(dataset: Path) -> None:
    episodes = [example(record) for record in records(_shard(dataset))]
    assert len(episodes) == 2
    for values, (seed, num, reward) in zip(episodes, ((1, 4, 1.0), (2, 3, 0.0)), strict=True):
        steps = make_contents(seed, num).steps
        assert values["steps/exact/capture_ns"] == steps.capture_ns.tolist()
        assert values["steps/exact/bins"] == steps.bins.ravel().tolist()
        action = np.reshape(values["steps/action"], (num, 7)).astype(np.float32)
        assert np.array_equal(action, steps.action)
        exact = [np.frombuffer(value, "<f8") for value in values["steps/exact/ee_pose"]]
        assert np.array_equal(exact, steps.ee_pose)
        assert values["steps/is_first"] == [1] + [0] * (num - 1)
        assert values["steps/is_last"] == [0] * (num - 1) + [1]
        assert values["steps/reward"] == [0.0] * (num - 1) + [reward]
        assert len(values["episode_metadata/frames_between/depth"]) == 2 * num
        for k in range(num):
            depth, color = (
                cv2.imdecode(np.frombuffer(values[f"steps/observation/{n}"][k], np.uint8), -1)
                for n in ("depth", "image")
            )
            assert np.array_equal(depth, depth_of(seed, 3 * k))
            assert np.array_equal(color[..., ::-1], color_of(seed, 3 * k))


def test_every_stored_feature_is_declared(dataset: Path) -> None:
    declared = {leaf.key for leaf in rlds_schema.leaves(("a", "b", "c"), 48, 64)}
    stored = set(example(next(records(_shard(dataset)))))
    assert stored == declared


def test_way_back_is_exact(dataset: Path) -> None:
    for folder in (dataset, dataset / "1.0.0"):
        reader = RldsReader(folder)
        reader.open()
        assert reader.num_episodes == 2
        first, second = reader.episodes()
        assert_same(make_contents(1, 4), first)
        assert_same(make_contents(2, 3, label="failure"), second)


def test_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlds_schema, "SHARD_MB", 0)
    with RldsWriter(tmp_path / "set") as writer:
        for seed in range(3):
            writer.add(make_contents(seed, 2))
    names = sorted(path.name for path in (tmp_path / "set/1.0.0").glob("*tfrecord*"))
    assert names == [f"set-train.tfrecord-{k:05d}-of-00003" for k in range(3)]
    reader = RldsReader(tmp_path / "set")
    reader.open()
    assert [episode.metadata.seed for episode in reader.episodes()] == [0, 1, 2]


def test_damage_is_noticed(dataset: Path, tmp_path: Path) -> None:
    data = bytearray(_shard(dataset).read_bytes())
    copy = tmp_path / "x.tfrecord"
    copy.write_bytes(data[:-7])
    with pytest.raises(RecordingError, match="cut off"):
        list(read_records(copy))
    data[1000] ^= 1
    copy.write_bytes(data)
    with pytest.raises(RecordingError, match="checksum"):
        list(read_records(copy))
    copy.write_bytes(b"no TFRecord at all, but long enough")
    with pytest.raises(RecordingError, match="no TFRecord"):
        list(read_records(copy))
    with pytest.raises(RecordingError, match=r"no tf\.train\.Example"):
        decode_example(b"\x0a\xff\xff")
    reader = RldsReader(tmp_path)
    with pytest.raises(RecordingError, match="no RLDS dataset"):
        reader.open()


def test_foreign_records_are_refused(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("features.json", "dataset_info.json"):
        (folder / name).write_bytes((dataset / "1.0.0" / name).read_bytes())
    with (folder / _shard(dataset).name).open("wb") as file:
        write_record(file, encode_example({"steps/action": np.zeros(7, np.float32)}))
    reader = RldsReader(folder)
    reader.open()
    with pytest.raises(RecordingError, match="was not written by this software"):
        next(reader.episodes())


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ActionSpecMismatchError, match="rate_hz"),
        RldsWriter(tmp_path / "a") as writer,
    ):
        writer.add(make_contents(1))
        writer.add(make_contents(2, spec=ActionSpec(rate_hz=5.0)))
    monkeypatch.setattr(rlds_example, "MAX_BYTES", 1000)
    with (
        pytest.raises(RecordingError, match="does not fit into one RLDS record"),
        RldsWriter(tmp_path / "b") as writer,
    ):
        writer.add(make_contents(1))


@pytest.mark.parametrize(
    ("text", "name"),
    [("SpatialQA-E 2", "spatialqa_e_2"), ("2026", "episodes_2026"), ("ä", "episodes")],
)
def test_names(text: str, name: str) -> None:
    assert dataset_name(text) == name
