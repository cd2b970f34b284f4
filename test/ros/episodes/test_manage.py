"""Labels, lists and merged datasets, as functions and as commands."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_episode as synthetic
import typer
import yaml
from typer.testing import CliRunner

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.cli.episodes import manage
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.label import label_episode
from spatialbot_ros.episodes.listing import (
    describe_episode,
    find_episode,
    list_episodes,
    read_session,
)
from spatialbot_ros.episodes.merge import INDEX_NAME, merge_sessions

app = typer.Typer()
manage.register(app)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def interrupt(folder: Path) -> None:
    (folder / "metadata.yaml").unlink()
    sidecar = json.loads((folder / "episode.json").read_text())
    (folder / "episode.json").write_text(json.dumps({**sidecar, "stop_ns": None}))


def test_a_label_is_changed_in_both_places_and_its_past_is_kept(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    label_episode(folder, "failure", "it fell later")
    metadata = label_episode(folder, "unknown")
    assert (metadata.label, metadata.reason) == ("unknown", "it fell later")
    past = [(entry["label"], entry["reason"]) for entry in metadata.label_history]
    assert past == [("success", "done"), ("failure", "it fell later")]
    assert read_sidecar(folder) == metadata
    report = check_episode(folder)
    assert (report.problems, report.warnings) == ((), ("not labelled",))
    bag = yaml.safe_load((folder / "metadata.yaml").read_text())
    assert bag["rosbag2_bagfile_information"]["message_count"] == 61


def test_labels_that_cannot_be_are_refused(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    before = (folder / "episode.json").read_bytes()
    with pytest.raises(RecordingError, match="success, failure, unknown"):
        label_episode(folder, "great")
    assert (folder / "episode.json").read_bytes() == before
    interrupt(folder)
    with pytest.raises(RecordingError, match="episodes repair"):
        label_episode(folder, "success")


def test_the_list_tells_closed_recorded_interrupted_and_unreadable_apart(tmp_path: Path) -> None:
    synthetic.write_episode(tmp_path / "a_closed")
    interrupt(synthetic.write_episode(tmp_path / "b_killed"))
    writer = synthetic.open_writer(tmp_path / "c_open")
    synthetic.write_episode(tmp_path / "d_odd")
    (tmp_path / "d_odd" / "episode.json").write_text("{}")
    synthetic.write_episode(tmp_path / "e.broken")
    try:
        summaries = list_episodes(tmp_path)
        code, output = run("list", tmp_path)
    finally:
        writer.discard()
    assert [(s.folder.name[0], s.state) for s in summaries] == [
        ("a", "closed"),
        ("b", "interrupted"),
        ("c", "recording"),
        ("d", "unreadable"),
    ]
    assert (summaries[0].num_frames, summaries[0].label) == (6, "success")
    assert code == 0
    for text in ("a_closed", "interrupted", "recording", "episodes repair"):
        assert text in output


def test_a_session_counts_on_and_tells_what_is_there(tmp_path: Path) -> None:
    assert read_session(tmp_path / "none").next_number == 1
    for number, label in ((1, "success"), (2, "failure"), (9, "success")):
        name = contract.episode_folder_name("pick", 3, "20260131T120000.123Z", number)
        synthetic.write_episode(tmp_path / name, label=label)
    interrupt(tmp_path / name)
    session = read_session(tmp_path)
    assert session.next_number == 10
    assert session.labels == {"success": 2, "failure": 1}
    assert session.interrupted == (name,)
    assert name in session.describe()
    assert "3 episodes (1 failure, 2 success)" in session.describe()


@pytest.mark.parametrize("name", ["..", "a..b", "-x", ".hidden", "a\0b", "", "../escape", "none"])
def test_names_do_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "session"
    inside.mkdir()
    with pytest.raises(RecordingError, match=r"no name of an episode|there is no episode"):
        find_episode(name, inside)


def test_info_tells_topics_formats_and_labels(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    label_episode(folder, "failure", "[looked] again")
    values = describe_episode(folder)
    assert values["topics"][contract.COLOR_TOPIC]["messages"] == 6
    assert values["image_formats"] == {"color": "raw", "depth": "raw"}
    assert values["duration_s"] == pytest.approx(0.6)
    code, output = run("info", "episode", "--in", tmp_path)
    assert code == 0
    assert "[looked] again" in output
    assert json.loads(run("info", folder, "--json")[1])["label"] == "failure"
    interrupt(folder)
    with pytest.raises(RecordingError, match="interrupted"):
        describe_episode(folder)


def test_check_and_repair_have_exit_codes(tmp_path: Path) -> None:
    synthetic.write_episode(tmp_path / "good")
    synthetic.write_episode(tmp_path / "killed", label="unknown")
    interrupt(tmp_path / "killed")
    code, output = run("check", "--in", tmp_path, "--json")
    assert code == 1
    assert [answer["ok"] for answer in json.loads(output)] == [True, False]
    code, output = run("repair", "--in", tmp_path, "--json")
    assert code == 0
    assert [answer["repaired"] for answer in json.loads(output)] == [False, True]
    assert run("check", "--in", tmp_path)[0] == 0
    code, output = run("check", "killed", "--in", tmp_path, "--require-label")
    assert (code, "not labelled" in output) == (1, True)
    assert run("label", tmp_path / "killed", "success", "--note", "seen")[0] == 0
    assert run("check", "--in", tmp_path, "--require-label")[0] == 0
    with pytest.raises(RecordingError, match="there is no episode"):
        run("check", "--in", tmp_path, "nothing")


@pytest.mark.parametrize("copy", [False, True])
def test_sessions_are_merged_and_stay_as_they_are(tmp_path: Path, copy: bool) -> None:
    first = synthetic.write_episode(tmp_path / "monday" / "episode")
    other = replace(synthetic.METADATA, seed=2)
    synthetic.write_episode(tmp_path / "tuesday" / "episode", 5, metadata=other, label="failure")
    arguments = ["merge", tmp_path / "monday", tmp_path / "tuesday", "--output", tmp_path / "all"]
    code, output = run(*arguments, "--json", *(["--copy"] if copy else []))
    assert (code, json.loads(output)["episodes"]) == (0, 2)
    index = json.loads((tmp_path / "all" / INDEX_NAME).read_text())
    assert [(e["folder"], e["seed"], e["label"]) for e in index["episodes"]] == [
        ("episode", 1, "success"),
        ("episode-2", 2, "failure"),
    ]
    assert ActionSpec.from_mapping(index["action_spec"]) == synthetic.SPEC
    linked = (tmp_path / "all" / "episode" / "episode.mcap").stat().st_nlink > 1
    assert linked == (not copy)
    for summary in list_episodes(tmp_path / "all"):
        assert check_episode(summary.folder).problems == ()
    label_episode(tmp_path / "all" / "episode", "failure")
    assert read_sidecar(first).label == "success"


def test_what_does_not_belong_together_is_not_merged(tmp_path: Path) -> None:
    one = synthetic.write_episode(tmp_path / "a" / "one")
    with pytest.raises(RecordingError, match="exists already"):
        merge_sessions([tmp_path / "a"], tmp_path / "a")
    twin = synthetic.write_episode(tmp_path / "b" / "two")
    (twin / "two.mcap").write_bytes((one / "one.mcap").read_bytes())
    with pytest.raises(RecordingError, match="are the same episode"):
        merge_sessions([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    spec = ActionSpec.from_mapping({**synthetic.SPEC.to_mapping(), "rate_hz": 5.0})
    other = replace(synthetic.METADATA, action_spec=spec.to_mapping())
    synthetic.write_episode(tmp_path / "c" / "three", metadata=other)
    with pytest.raises(RecordingError, match="do not mean the same by an action"):
        merge_sessions([tmp_path / "a", tmp_path / "c"], tmp_path / "all")
    interrupt(synthetic.write_episode(tmp_path / "d" / "four", 3))
    with pytest.raises(RecordingError, match="interrupted"):
        merge_sessions([tmp_path / "a", tmp_path / "d"], tmp_path / "all")
    (one / "link").symlink_to("/etc/passwd")
    with pytest.raises(RecordingError, match="not a plain file"):
        merge_sessions([tmp_path / "a"], tmp_path / "all")
    with pytest.raises(RecordingError, match="is not a folder"):
        merge_sessions([tmp_path / "nowhere"], tmp_path / "all")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c", "d"]


def test_one_session_within_another_is_merged_once(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "a" / "b" / "one")
    index = merge_sessions([tmp_path / "a", tmp_path / "a" / "b", folder], tmp_path / "all")
    assert len(json.loads(index.read_text())["episodes"]) == 1
