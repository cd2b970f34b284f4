"""Files that are no configuration are refused by declared errors, whatever YAML makes of them."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.data.bag_reader import bag_files
from spatialbot_ros.configuration import (
    load_action_spec,
    load_cell,
    load_safety_limits,
    load_yaml,
)
from spatialbot_ros.episodes.bag_information import bag_information
from spatialbot_sim.tasks.grammar import read_grammar

BROKEN = {
    "no UTF-8": b"a: \xff\xfe",
    "13th month": b"a: 2026-13-45",
    "no bool": b"a: !!bool maybe",
    "no time": b"a: !!timestamp soon",
    "too deep": b"[" * 5000,
    "too many digits": b"a: " + b"9" * 5000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_broken_yaml_is_refused(tmp_path, content):
    for name in ("c.yaml", "metadata.yaml", "objects.yaml"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_yaml(tmp_path / "c.yaml")
    with pytest.raises(ConfigurationError):
        read_grammar(tmp_path)
    for read in (bag_files, bag_information):
        with pytest.raises(RecordingError):
            read(tmp_path)


@pytest.mark.parametrize(
    ("load", "shipped", "old", "new"),
    [
        (load_action_spec, "action_spec", "rate_hz: ", "rate_hz: 1" + "0" * 400 + " # "),
        (load_safety_limits, "safety", "max_lead_m: ", "max_lead_m: 1" + "0" * 400 + " # "),
        (load_cell, "cell", "thickness_m: ", "thickness_m: 1" + "0" * 400 + " # "),
        (load_cell, "cell", "thickness_m: ", "thickness_m: .nan # "),
        (load_cell, "cell", "width: ", "width: -1 # "),
        (load_cell, "cell", "fx_px: ", "fx_px: .inf # "),
        (load_cell, "cell", "depth_range_m: ", "depth_range_m: [.nan, 1.0] # "),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path, load, shipped, old, new):
    text = find_resource(f"config/{shipped}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load(str(path))


def test_a_compression_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  storage_identifier: mcap\n  compression_mode: 5\n"
        "  relative_file_paths: [a.mcap]\n"
    )
    with pytest.raises(RecordingError, match="compressed by 5"):
        bag_files(tmp_path)


@pytest.mark.parametrize("names", ["a.mcap", "{a.mcap: 1}", "[[a.mcap]]", "[5]", "[null]", "7"])
def test_file_names_that_are_no_list_of_texts_are_refused(tmp_path, names):
    (tmp_path / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  storage_identifier: mcap\n"
        f"  relative_file_paths: {names}\n"
    )
    with pytest.raises(RecordingError, match="expected a list of file names"):
        bag_files(tmp_path)
