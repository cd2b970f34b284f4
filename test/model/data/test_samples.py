"""Samples hold what was recorded, whichever way they are read."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
from scripted_bag import Step, write_bag
from torch.utils.data import DataLoader

from spatialbot_model.contracts.action_codec import DeltaAction, Finished
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.samples import EpisodeDataset, Sample
from spatialbot_model.processing.images import ImageSettings


def facts(sample: Sample) -> tuple:
    """Everything in a sample, comparable."""
    images = [(f.stamp_ns, f.color.tobytes(), f.depth_mm.tobytes()) for f in sample.frames]
    return (images, sample.instruction, sample.action, sample.answer, sample.source,
            sample.episode, sample.step, sample.stamp_ns)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("episodes")
    write_bag(root / "a", 5)
    write_bag(root / "deeper" / "b", 3, zstd=True)
    return root


@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize("images", ["raw", "compressed"])
def test_samples_hold_what_was_recorded(tmp_path: Path, images: str, zstd: bool) -> None:
    write_bag(tmp_path / "e", 6, images=images, zstd=zstd, log_delay_ns=12_345)
    dataset = EpisodeDataset.open(tmp_path)
    assert len(dataset) == 6
    for step, sample in enumerate(dataset):
        numbers = [max(0, step - age) for age in range(4)]
        assert [f.stamp_ns for f in sample.frames] == [synthetic.stamp_of(k) for k in numbers]
        for frame, number in zip(sample.frames, numbers, strict=True):
            np.testing.assert_array_equal(frame.depth_mm, synthetic.depth_of(number))
            if images == "raw":
                np.testing.assert_array_equal(frame.color, synthetic.color_of(number))
        assert sample.action == DeltaAction((step, 50, 50, 50, 50, 50, 0), synthetic.SPEC)
        assert sample.answer == sample.action
        assert (sample.instruction, sample.episode, sample.step) == (
            synthetic.METADATA.instruction,
            "e",
            step,
        )


def test_jpeg_colour_is_near_the_recorded_one(tmp_path: Path) -> None:
    write_bag(tmp_path / "e", 2, images="compressed")
    frame = EpisodeDataset.open(tmp_path)[0].frames[0]
    # the recorded image is noise, which JPEG keeps worst; channels must not be swapped
    found = frame.color.reshape(-1, 3).T.astype(float)
    recorded = synthetic.color_of(0).reshape(-1, 3).T.astype(float)
    likeness = np.corrcoef(found, recorded)[:3, 3:]
    assert likeness.argmax(axis=0).tolist() == [0, 1, 2]


def test_clean_answers_noise_ends_and_holds(tmp_path: Path) -> None:
    clean = "The robot should <0.10, 0.50, 0.50, 0.50, 0.50, 0.50, 1>."
    steps = [
        Step(0, (9,) * 7, clean, "noise"),
        Step(1, None, "I do not know."),
        Step(2, (8,) * 7, None, "expert"),
        Step(3, (7,) * 7, None, "teleop"),
        Step(4, None, "The robot has finished."),
    ]
    write_bag(tmp_path / "e", steps)
    noise, expert, teleop, end = EpisodeDataset.open(tmp_path)
    assert noise.source == "noise" and noise.action.bins == (9,) * 7
    assert noise.answer.bins == (10, 50, 50, 50, 50, 50, 100)
    assert expert.answer.bins == (8,) * 7
    assert [f.stamp_ns for f in expert.frames[:3]] == [synthetic.stamp_of(k) for k in (2, 1, 0)]
    assert teleop.source == "teleop" and teleop.answer == teleop.action
    assert end.action == end.answer == Finished()


def test_order_and_negative_indices(folder: Path) -> None:
    dataset = EpisodeDataset.open(folder)
    assert [(s.episode, s.step) for s in dataset] == [("a", k) for k in range(5)] + [
        ("b", k) for k in range(3)
    ]
    assert facts(dataset[-1]) == facts(dataset[7])
    again = EpisodeDataset.open([folder / "deeper", folder / "a", folder])
    assert [facts(s) for s in again] == [facts(s) for s in dataset]
    for index in (8, -9):
        with pytest.raises(IndexError):
            dataset[index]


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("cached", [False, True])
def test_workers_read_what_this_process_reads(
    folder: Path, tmp_path: Path, context: str, cached: bool
) -> None:
    options = CacheOptions(tmp_path, ImageSettings(32)) if cached else None
    dataset = EpisodeDataset.open(folder, cache=options)
    expected = [facts(sample) for sample in dataset]
    if cached:
        assert dataset.build_cache(workers=2 if context == "spawn" else 1) == 2
    # files are open here by now; workers must not share their positions
    loader = DataLoader(
        dataset, batch_size=None, num_workers=2, shuffle=False, multiprocessing_context=context
    )
    found = [facts(sample) for _ in range(2 if context == "fork" else 1) for sample in loader]
    assert found[: len(expected)] == expected
    assert found[-len(expected) :] == expected


def test_a_dataset_travels_without_its_files(folder: Path) -> None:
    dataset = EpisodeDataset.open(folder)
    expected = facts(dataset[2])
    data = pickle.dumps(dataset)
    assert len(data) < 50_000
    assert facts(copy.deepcopy(dataset)[2]) == expected
    dataset.close()
    assert facts(dataset[2]) == expected


def test_labels_splits_and_unusable_ones_are_reported(tmp_path: Path) -> None:
    write_bag(tmp_path / "train", 2, seed=999_999)
    write_bag(tmp_path / "test", 2, seed=1_000_000)
    write_bag(tmp_path / "real", 2, seed=None)
    write_bag(tmp_path / "failed", 2, label="failure")
    cut = write_bag(tmp_path / "cut", 2)
    (file,) = cut.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:5000])
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    for split, names in (("train", "real train"), ("test", "test"), ("all", "real test train")):
        dataset = EpisodeDataset.open(tmp_path, split=split)
        assert [e.name for e in dataset.episodes] == names.split()
        skipped = {path.name for path, _ in dataset.report.skipped}
        left_out = {path.name for path, _ in dataset.report.excluded}
        assert skipped | left_out >= {"cut", "foreign"}
        left_out -= {"cut"}
        assert left_out == {"train", "test", "real", "failed"} - set(names.split())
    reasons = dict(dataset.report.skipped)
    assert "cut off" in reasons[cut]
    both = EpisodeDataset.open(tmp_path, labels=("failure", "success"), split="train")
    assert [e.name for e in both.episodes] == ["failed", "real", "train"]


def test_lost_steps_are_reported(tmp_path: Path) -> None:
    write_bag(tmp_path / "e", 6, num_frames=3)
    dataset = EpisodeDataset.open(tmp_path)
    assert len(dataset) == 3
    assert [(name, n) for name, _, n in dataset.report.lost_steps] == [("e", 3)]
    assert "3 steps unusable" in dataset.report.summary()


def test_what_a_person_overrode_is_not_learned(tmp_path: Path) -> None:
    steps = [
        Step(0, (1,) * 7),
        Step(1, (2,) * 7, refused=True),
        Step(1, (3,) * 7, source="teleop"),
        Step(2, (4,) * 7),
    ]
    write_bag(tmp_path / "e", steps)
    dataset = EpisodeDataset.open(tmp_path)
    assert [sample.answer.bins[0] for sample in dataset] == [1, 3, 4]
    assert [n for _, why, n in dataset.report.lost_steps if "refused" in why] == [1]
    # the policy saw the frame at which it was overridden
    stamps = [frame.stamp_ns for frame in dataset[2].frames[:3]]
    assert stamps == [synthetic.stamp_of(k) for k in (2, 1, 0)]


def test_mixed_action_specs_are_refused(tmp_path: Path) -> None:
    write_bag(tmp_path / "a", 2)
    other = ActionSpec(translation_limit_m=0.05)
    write_bag(tmp_path / "b", 2, spec_id=other.id, action_spec=other.to_mapping())
    assert EpisodeDataset.open(tmp_path / "b").action_spec == other
    with pytest.raises(ActionSpecMismatchError, match="translation_limit_m"):
        EpisodeDataset.open(tmp_path)
    lying = write_bag(tmp_path / "c" / "lying", 2, spec_id=other.id)
    with pytest.raises(RecordingError, match=f"lying.*{other.id}"):
        EpisodeDataset.open(lying)


def test_what_cannot_be_opened_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RecordingError, match="no folder"):
        EpisodeDataset.open(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="no usable episode among 0"):
        EpisodeDataset.open(tmp_path)
    with pytest.raises(RecordingError, match="a: label success"):
        EpisodeDataset.open(folder, labels=("failure",))
    with pytest.raises(UnknownNameError, match="failure, success, unknown"):
        EpisodeDataset.open(folder, labels=("good",))
    with pytest.raises(UnknownNameError, match="test"):
        EpisodeDataset.open(folder, split="validation")
    with pytest.raises(ConfigurationError, match="history"):
        EpisodeDataset.open(folder, history=0)


def test_one_frame_alone(folder: Path) -> None:
    assert all(len(sample.frames) == 1 for sample in EpisodeDataset.open(folder, history=1))
