"""Annotations as bags hold them: what was written is what training reads."""

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from spatialbot_model.contracts.episode import ANNOTATION_TOPIC
from spatialbot_model.data.episode_index import build_index
from spatialbot_ros.cli.episodes import convert
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.step_messages import annotation_message
from spatialbot_ros.episodes.step_writer import StepWriterFactory
from spatialbot_sim.annotator import Annotation
from spatialbot_sim.collect import Job
from spatialbot_sim.episode_sink import StepRecord
from spatialbot_sim.glimpse_collect import GlimpseCollector, GlimpseOptions

OPTIONS = GlimpseOptions(num_steps=3, num_instructions=3)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StepRecord]]:
    """The folder of a glimpse, and what was handed to its writer."""
    sink = StepWriterFactory(tmp_path_factory.mktemp("glimpse"), reserve_bytes=0)()
    records: list[StepRecord] = []
    write = sink.write

    def keep(record: StepRecord) -> None:
        records.append(record)
        write(record)

    sink.write = keep  # type: ignore[method-assign]
    collector = GlimpseCollector(load_cell(), load_action_spec(), OPTIONS, sink)
    try:
        return Path(collector.run(Job("pick_place", 0)).folder), records
    finally:
        collector.close()


def test_the_contract_holds(recorded: tuple[Path, list[StepRecord]]) -> None:
    folder, records = recorded
    report = check_episode(folder)
    assert report.problems == ()
    assert report.counts[ANNOTATION_TOPIC] == sum(len(r.annotations) for r in records) > 3
    assert report.metadata is not None
    assert report.metadata.label == "success"
    assert report.metadata.reason.startswith("glimpse: ")


def test_training_reads_what_was_written(recorded: tuple[Path, list[StepRecord]]) -> None:
    folder, records = recorded
    notes = build_index(folder).annotations
    written = [(k, note) for k, record in enumerate(records) for note in record.annotations]
    assert notes.steps.tolist() == [k for k, _ in written]
    assert notes.instructions == tuple(note.instruction for _, note in written)
    assert notes.texts == tuple(note.text for _, note in written)
    for row, (_, note) in zip(notes.waypoints, written, strict=True):
        for waypoint, expected in zip(row, (note.pick, note.place), strict=True):
            if expected is None:
                assert np.isnan(waypoint).all()
            else:
                np.testing.assert_allclose(waypoint, expected, atol=1e-6)


def test_a_message_keeps_every_digit_and_what_is_not_known(
    recorded: tuple[Path, list[StepRecord]],
) -> None:
    folder, records = recorded
    with EpisodeReader(folder) as reader:
        messages = [(ns, message) for _, ns, message in reader.messages(ANNOTATION_TOPIC)]
    written = [(r.frame.stamp_ns, note) for r in records for note in r.annotations]
    for (ns, message), (stamp_ns, note) in zip(messages, written, strict=True):
        assert ns == stamp_ns and message.header.frame_id == "fr3_link0"
        assert message.pick_known == (note.pick is not None)
        assert message.place_known == (note.place is not None)
        if note.pick is not None:
            assert message.pick.tolist() == note.pick.tolist()
        if note.place is not None:
            assert message.place.tolist() == note.place.tolist()


def test_what_is_over_is_said_to_be_unknown() -> None:
    place = np.array([0.5, 0.1, 0.04, -0.3])
    message = annotation_message(Annotation("put it away", "words", None, place), 7)
    assert not message.pick_known and message.place_known
    assert message.pick.tolist() == [0.0] * 4 and message.place.tolist() == place.tolist()


@pytest.mark.parametrize("kind", ["lerobot", "rlds"])
def test_conversion_keeps_every_annotation(
    recorded: tuple[Path, list[StepRecord]], tmp_path: Path, kind: str
) -> None:
    folder, _ = recorded
    app = typer.Typer()
    app.callback()(lambda: None)
    convert.register(app)
    for source, output, to in (
        (folder.parent, tmp_path / kind / "there", kind),
        (tmp_path / kind / "there", tmp_path / "back", "rosbag2"),
    ):
        result = CliRunner().invoke(app, ["convert", str(source), str(output), "--to", to])
        assert result.exit_code == 0, result.output

    def annotations(bag: Path) -> list[tuple[int, bytes]]:
        with EpisodeReader(bag) as reader:
            return [(ns, bytes(data)) for _, ns, data in reader.raw(ANNOTATION_TOPIC)]

    assert annotations(tmp_path / "back" / folder.name) == annotations(folder)
