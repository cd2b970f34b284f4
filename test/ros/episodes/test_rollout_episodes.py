"""Episodes that a policy drove, as bags and as samples: executed is the policy's, learned the
expert's."""

from collections import Counter
from pathlib import Path

import pytest

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    Finished,
    format_action_text,
    parse_action_text,
)
from spatialbot_model.contracts.episode import SAFETY_EVENT_TOPIC
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.step_writer import StepWriterFactory
from spatialbot_sim.collect import CollectOptions, Collector, Job
from spatialbot_sim.episode_sink import StepRecord
from spatialbot_sim.rollout import PolicyDriver, RolloutOptions
from spatialbot_sim.takeover import TakeoverOptions

SPEC, CELL = load_action_spec(), load_cell()
NORTH = DeltaAction((50, 57, 52, 50, 50, 50, 0), SPEC)
PROVENANCE: dict[str, str | int | float] = {"policy": "scripted", "round": 2, "policy_share": 0.5}
JOB = Job("pick_place", 0)


class NorthPolicy:
    """A test double: goes north, and every third answer cannot be read."""

    def __init__(self) -> None:
        self._num = 0

    def start(self, instruction: str) -> None:
        self._num = 0

    def step(self, observation: Observation) -> PolicyStep:
        self._num += 1
        text = "north!" if self._num % 3 == 0 else format_action_text(NORTH)
        return PolicyStep(text, observation.newest.stamp_ns)

    def close(self) -> None:
        pass


def collect(
    folder: Path, provenance: dict[str, str | int | float]
) -> tuple[Path, list[StepRecord]]:
    """The episode's folder, and what was handed to its writer."""
    rollout = RolloutOptions(
        "scripted",
        PolicyConfig(SPEC, CELL),
        round_number=2,
        takeover=TakeoverOptions(
            policy_share=0.5, expert_first_probability=0.0, stretch_steps=(5, 5)
        ),
    )
    options = CollectOptions(rollout=rollout, max_steps=14, attempts=1, keep_failures=True)
    sink = StepWriterFactory(folder, reserve_bytes=0, provenance=provenance)()
    records: list[StepRecord] = []
    write = sink.write

    def keep(record: StepRecord) -> None:
        records.append(record)
        write(record)

    sink.write = keep  # type: ignore[method-assign]
    collector = Collector(CELL, SPEC, options, sink, PolicyDriver(NorthPolicy(), rollout))
    try:
        return Path(collector.run(JOB).folder), records
    finally:
        collector.close()


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StepRecord]]:
    return collect(tmp_path_factory.mktemp("rollouts"), PROVENANCE)


def test_the_contract_holds(episode: tuple[Path, list[StepRecord]]) -> None:
    folder, _ = episode
    assert folder.name == "pick_place_seed0_rollout2"
    assert check_episode(folder).problems == ()
    assert read_sidecar(folder).provenance == PROVENANCE


def test_samples_act_as_the_policy_and_answer_as_the_expert(
    episode: tuple[Path, list[StepRecord]],
) -> None:
    folder, records = episode
    dataset = EpisodeDataset.open(folder, labels=("failure",))
    assert Counter(sample.source for sample in dataset).keys() == {"policy", "expert"}
    # the attempt was cut off, so its last record has neither an action nor an end
    assert len(dataset) == len(records) - 1
    for sample, record in zip(dataset, records, strict=False):
        assert sample.source == record.source
        assert sample.action == record.action
        assert sample.answer == parse_action_text(record.text, SPEC)
        assert not isinstance(sample.action, Finished)
        if sample.source == "policy":
            assert sample.action != sample.answer
        else:
            assert sample.action == sample.answer
    assert dataset.report.lost_steps == ()


def test_what_could_not_be_executed_is_in_the_bag(episode: tuple[Path, list[StepRecord]]) -> None:
    folder, records = episode
    held = {record.sequence: record.remark for record in records if record.remark}
    assert held
    with EpisodeReader(folder) as reader:
        events = [message for _, _, message in reader.messages(SAFETY_EVENT_TOPIC)]
    assert {event.sequence: event.detail for event in events} == held
    assert {(event.name, event.severity, event.source) for event in events} == {
        ("hold", 0, "policy")
    }
    assert all("north!" in event.detail for event in events)


def test_episodes_of_other_weights_are_not_taken_for_these(
    episode: tuple[Path, list[StepRecord]],
) -> None:
    folder, _ = episode
    assert collect(folder.parent, PROVENANCE)[0] == folder
    with pytest.raises(RecordingError, match=r"another way.*checkpoint.*another folder or round"):
        collect(folder.parent, {**PROVENANCE, "checkpoint": "newer"})
