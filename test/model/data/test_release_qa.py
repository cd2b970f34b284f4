"""The release's JSON and its image files, and the one folder of its dataset that is known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic_episode as synthetic
from scripted_bag import Step, write_bag

from spatialbot_model.contracts.depth_codec import decode_depth
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError, UnknownNameError
from spatialbot_model.data.end_effector_poses import PoseFields, read_end_effector_poses
from spatialbot_model.data.release_qa import QaExport, export_qa
from spatialbot_model.data.samples import EpisodeDataset


@pytest.fixture
def dataset(tmp_path: Path) -> EpisodeDataset:
    steps = [
        Step(0),
        Step(1, (17, 51, 44, 62, 83, 7, 100)),
        Step(2, None, "The robot has finished."),
    ]
    write_bag(tmp_path / "bags" / "e", steps)
    return EpisodeDataset.open(tmp_path / "bags")


def test_records_are_those_of_the_release(dataset: EpisodeDataset, tmp_path: Path) -> None:
    done: list[int] = []
    assert export_qa(dataset, QaExport(tmp_path / "qa"), done.append) == 3
    assert done == [1, 2, 3]
    records = json.loads((tmp_path / "qa" / "spatialqa_e.json").read_text())
    record = records[1]
    newest, older = (f"{synthetic.stamp_of(k):020d}.png" for k in (1, 0))
    assert record == {
        "id": "e_000001",
        "image": [
            f"e/rgb/{newest}",
            f"e/depth/{newest}",
            *[f"e/rgb/{older}", f"e/depth/{older}"] * 3,
        ],
        "conversations": [
            {
                "from": "human",
                "value": "<image 1>\n<image 2>\n<image 3>\n<image 4>\n"
                "<image 5>\n<image 6>\n<image 7>\n<image 8>\n"
                "Instruct the robot to put the red cube on the left board\n"
                "Answer with robot parameters.",
            },
            {
                "from": "gpt",
                "value": "The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.",
            },
        ],
    }
    assert records[2]["conversations"][1]["value"] == "The robot has finished."
    spec = json.loads((tmp_path / "qa" / "action_spec.json").read_text())
    assert spec == synthetic.SPEC.to_mapping()


@pytest.mark.parametrize("depth", ["mm16", "encoded"])
def test_images_are_exact(dataset: EpisodeDataset, tmp_path: Path, depth: str) -> None:
    export_qa(dataset, QaExport(tmp_path / "qa", depth))
    files = sorted((tmp_path / "qa" / "images").rglob("*.png"))
    assert len(files) == 6  # three frames, each written once
    for step in range(3):
        name = f"{synthetic.stamp_of(step):020d}.png"
        color = cv2.imread(str(tmp_path / "qa" / "images" / "e" / "rgb" / name))[..., ::-1]
        np.testing.assert_array_equal(color, synthetic.color_of(step))
        stored = cv2.imread(
            str(tmp_path / "qa" / "images" / "e" / "depth" / name), cv2.IMREAD_UNCHANGED
        )
        depth_mm = (
            stored if depth == "mm16" else decode_depth(np.ascontiguousarray(stored[..., ::-1]))
        )
        np.testing.assert_array_equal(depth_mm, synthetic.depth_of(step))


def test_an_export_goes_on_and_overwrites_nothing(dataset: EpisodeDataset, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_qa(dataset, QaExport(tmp_path / "qa"), interrupt)
    assert not (tmp_path / "qa" / "spatialqa_e.json").exists()
    kept = {path: path.stat().st_ino for path in tmp_path.rglob("*.png")}
    assert export_qa(dataset, QaExport(tmp_path / "qa")) == 3
    assert kept and kept.items() <= {p: p.stat().st_ino for p in tmp_path.rglob("*.png")}.items()
    with pytest.raises(RecordingError, match="exists already"):
        export_qa(dataset, QaExport(tmp_path / "qa"))


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mm16, encoded"):
        QaExport(tmp_path, "jpeg")
    with pytest.raises(UnknownNameError):
        QaExport(tmp_path, profile="zip")
    write_bag(tmp_path / "bags" / "a" / "e", 2)
    write_bag(tmp_path / "bags" / "b" / "e", 2)
    with pytest.raises(RecordingError, match="called e"):
        export_qa(EpisodeDataset.open(tmp_path / "bags"), QaExport(tmp_path / "qa"))
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        export_qa(EpisodeDataset.open(tmp_path / "bags" / "a"), QaExport(tmp_path / "file" / "qa"))


def test_poses_one_file_per_frame(tmp_path: Path) -> None:
    folder = tmp_path / "end_effector_pose"
    folder.mkdir()
    for k in (10, 9, 0):
        (folder / f"frame_{k}.json").write_text(json.dumps([k, 2 * k, 0.5]))
    poses = read_end_effector_poses(tmp_path)
    assert poses.names == ("frame_0", "frame_9", "frame_10")
    assert poses.values.tolist() == [[0, 0, 0.5], [9, 18, 0.5], [10, 20, 0.5]]


@pytest.mark.parametrize("by_name", [False, True])
def test_poses_in_one_file_by_named_fields(tmp_path: Path, by_name: bool) -> None:
    frames = [
        {"pose": {"position": {"z": 3, "x": 1, "y": k}, "matrix": [[1, 2], [3, 4]]}, "width": 80}
        for k in range(11)
    ]
    data = {str(k): frame for k, frame in enumerate(frames)} if by_name else frames
    (tmp_path / "poses.json").write_text(json.dumps(data))
    fields = PoseFields(("pose.position", "pose.matrix.1", "width"), scale=0.001)
    poses = read_end_effector_poses(tmp_path, fields)
    assert poses.names == tuple(str(k) for k in range(11))
    np.testing.assert_allclose(poses.values[10], [0.001, 0.010, 0.003, 0.003, 0.004, 0.080])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"xyz": [1, 2], "grip": 1}', r"frame f .*\['grip', 'xyz'\].*PoseFields"),
        ('["a", "b"]', "no numbers"),
        ("[1, NaN]", "no numbers"),
        ("[1, true]", "no numbers"),
        ("[", "no JSON"),
        ("[[1, 2], [3]]", "all the same"),
    ],
)
def test_poses_that_cannot_be_read_are_told(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(RecordingError, match=why):
        read_end_effector_poses(tmp_path)


def test_no_poses_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no frame"):
        read_end_effector_poses(tmp_path)
    with pytest.raises(RecordingError, match="no folder"):
        read_end_effector_poses(tmp_path / "gone")
    with pytest.raises(ConfigurationError, match="scale"):
        PoseFields(scale=0.0)
