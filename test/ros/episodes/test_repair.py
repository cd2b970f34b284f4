"""Repair: everything that can be read comes back, nothing else is touched."""

import random
from pathlib import Path

import pytest
import synthetic_episode as synthetic

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import read_sidecar, write_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.label import label_episode
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.repair import repair_episode
from spatialbot_ros.episodes.truncated_mcap import TruncatedMcap
from spatialbot_ros.episodes.writer import EpisodeWriter


def contents(folder: Path) -> list[tuple[str, int, bytes]]:
    with EpisodeReader(folder) as reader:
        return sorted(reader.stored())


def cut(folder: Path, size: int) -> None:
    """What a kill leaves: the beginning of the file, no metadata.yaml, the first sidecar."""
    path = folder / f"{folder.name}.mcap"
    path.write_bytes(path.read_bytes()[:size])
    (folder / "metadata.yaml").unlink(missing_ok=True)
    formats = read_sidecar(folder).image_formats
    first = contract.EpisodeMetadata(
        **{**synthetic.METADATA.to_mapping(), "image_formats": formats}
    )
    write_sidecar(folder, first)


@pytest.mark.parametrize("formats", [ImageFormats(), ImageFormats("jpeg", "png")])
def test_wherever_the_file_was_cut_what_is_before_comes_back(
    tmp_path: Path, formats: ImageFormats
) -> None:
    whole = synthetic.write_episode(tmp_path / "whole", num_steps=8, formats=formats)
    size = (whole / "whole.mcap").stat().st_size
    expected = contents(whole)
    rng = random.Random(5)
    sizes = [size, size - 1, size // 2, *(rng.randrange(size // 3, size) for _ in range(6))]
    for index, length in enumerate(sizes):
        folder = synthetic.write_episode(tmp_path / f"cut_{index}", num_steps=8, formats=formats)
        cut(folder, length)
        report = repair_episode(folder)
        assert report.repaired
        assert report.check.ok, report.check.problems
        assert report.original is None
        recovered = contents(folder)
        assert set(recovered) <= set(expected)
        # not more than what lay behind the cut is gone
        gone = sum(len(data) for _, _, data in set(expected) - set(recovered))
        assert gone <= size - length + 40_000
        metadata = read_sidecar(folder)
        assert metadata.label == "unknown"
        assert "interrupted" in metadata.reason
        assert sorted(p.name for p in folder.parent.iterdir() if "broken" in p.name) == []


def test_what_is_whole_is_left_alone(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    report = repair_episode(folder)
    assert (report.repaired, report.what) == (False, "nothing to repair")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_closed_episode_whose_file_was_cut_is_recovered_but_not_called_complete(
    tmp_path: Path,
) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    path = folder / "episode.mcap"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = repair_episode(folder)
    assert any("messages were lost" in problem for problem in report.check.problems)
    assert report.original == tmp_path / "episode.broken"
    metadata = read_sidecar(folder)
    assert (metadata.label, metadata.label_history[0]["label"]) == ("unknown", "success")
    assert sum(metadata.drops.values()) > 0
    with pytest.raises(RecordingError, match="in the way"):
        path.write_bytes(path.read_bytes()[:-50])
        repair_episode(folder)


def test_a_kill_at_the_very_end_keeps_the_label(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    (folder / "metadata.yaml").unlink()
    report = repair_episode(folder)
    assert report.check.problems == ()
    assert read_sidecar(folder).label == "success"


def test_a_sidecar_that_is_lost_or_older_comes_back_from_its_copy(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    expected = (folder / "episode.json").read_bytes()
    (folder / "episode.json").write_text("{")
    assert repair_episode(folder).check.problems == ()
    assert (folder / "episode.json").read_bytes() == expected
    # a relabelling that was interrupted between its two files
    bag = (folder / "metadata.yaml").read_bytes()
    label_episode(folder, "failure", "dropped it")
    (folder / "metadata.yaml").write_bytes(bag)
    assert "the sidecar differs from the metadata in the bag" in check_episode(folder).problems
    assert repair_episode(folder).check.problems == ()
    assert read_sidecar(folder).label == "failure"


def test_an_interrupted_repair_is_gone_on_with(tmp_path: Path) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    cut(folder, (folder / "episode.mcap").stat().st_size - 100)
    (tmp_path / ".episode.repairing" / "episode").mkdir(parents=True)
    folder.rename(tmp_path / "episode.broken")
    assert repair_episode(folder).check.problems == ()
    assert [p.name for p in tmp_path.iterdir()] == ["episode"]


def test_what_is_being_recorded_is_not_repaired(tmp_path: Path) -> None:
    writer = synthetic.open_writer(tmp_path / "episode")
    try:
        with pytest.raises(RecordingError, match="is being recorded now"):
            repair_episode(tmp_path / "episode")
    finally:
        writer.discard()


@pytest.mark.parametrize("has_message", [False, True])
def test_without_a_frame_there_is_nothing_to_recover(tmp_path: Path, has_message: bool) -> None:
    if has_message:
        writer = synthetic.open_writer(tmp_path / "episode")
    else:
        writer = EpisodeWriter(tmp_path / "episode", synthetic.METADATA, reserve_bytes=0)
        writer.open()
    writer.close("unknown", "", synthetic.FIRST_NS)
    cut(tmp_path / "episode", (tmp_path / "episode" / "episode.mcap").stat().st_size - 40)
    before = sorted((tmp_path / "episode").iterdir())
    with pytest.raises(RecordingError, match="nothing to recover"):
        repair_episode(tmp_path / "episode")
    assert sorted((tmp_path / "episode").iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["episode"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "Is .* the folder of an episode"),
        ({"episode.json": None}, "0 MCAP files, expected one"),
        ({"episode.json": None, "a.mcap": b"", "b.mcap": b""}, "2 MCAP files"),
        ({"episode.json": None, "a.mcap": b""}, "not an MCAP file: it begins with nothing"),
        ({"episode.json": None, "a.mcap": b"SQLite format 3\0"}, "not an MCAP file"),
    ],
)
def test_what_is_no_episode_is_refused_and_kept(
    tmp_path: Path, files: dict[str, bytes | None], problem: str
) -> None:
    whole = synthetic.write_episode(tmp_path / "whole")
    folder = tmp_path / "other"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes((whole / name).read_bytes() if data is None else data)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(RecordingError, match=problem):
        repair_episode(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_recorder_of_other_topics_is_refused(tmp_path: Path) -> None:
    compressed = synthetic.write_episode(tmp_path / "whole", formats=ImageFormats("jpeg"))
    cut(compressed, (compressed / "whole.mcap").stat().st_size - 30)
    sidecar = compressed / "episode.json"
    sidecar.write_text(sidecar.read_text().replace('"jpeg"', '"raw"'))
    with pytest.raises(RecordingError, match="this is another bag"):
        repair_episode(compressed)


def test_any_damage_is_survived(tmp_path: Path) -> None:
    """Bytes are overwritten all over the file: check tells, the scan ends, nothing hangs."""
    whole = synthetic.write_episode(tmp_path / "whole", num_steps=3)
    path = whole / "whole.mcap"
    original = path.read_bytes()
    metadata_yaml = (whole / "metadata.yaml").read_bytes()
    rng = random.Random(8)
    for round_ in range(60):
        data = bytearray(original)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + 8] = rng.randbytes(8)
        if round_ % 3 == 0:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(data)
        (whole / "metadata.yaml").write_bytes(metadata_yaml if round_ % 2 else b"\xff{")
        check_episode(whole)
        if data[:8] == original[:8]:
            assert all(len(m) == 3 for m in TruncatedMcap(path).messages())
