"""The episode contract: metadata round trip, validation and folder names."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import (
    EPISODE_TOPICS,
    LABELS,
    EpisodeMetadata,
    TopicRole,
    episode_folder_name,
)
from spatialbot_model.contracts.errors import RecordingError

METADATA = EpisodeMetadata(
    task="pick_place",
    instruction="pick up the red cube",
    action_spec=ActionSpec().to_mapping(),
    seed=7,
    start_ns=5,
)
counts = st.dictionaries(st.sampled_from(sorted(EPISODE_TOPICS)), st.integers(0, 10**6))


@given(
    label=st.sampled_from(LABELS),
    reason=st.text(),
    stop_ns=st.integers(5, 2**62),
    counts=counts,
    drops=counts,
    backwards=counts,
)
def test_metadata_survives_json(
    label: str,
    reason: str,
    stop_ns: int,
    counts: dict[str, int],
    drops: dict[str, int],
    backwards: dict[str, int],
) -> None:
    closed = METADATA.closed(
        label=label,
        reason=reason,
        stop_ns=stop_ns,
        counts=counts,
        drops=drops,
        backwards=backwards,
    )
    assert EpisodeMetadata.from_mapping(json.loads(json.dumps(closed.to_mapping()))) == closed
    assert 0 not in closed.drops.values()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", "great"),
        ("label", None),
        ("seed", 1.5),
        ("seed", True),
        ("start_ns", None),
        ("stop_ns", 4),
        ("task", 3),
        ("counts", {"/a": -1}),
        ("drops", {"/a": "many"}),
        ("counts", [1]),
        ("schema_version", 2),
        ("action_spec", {}),
        ("action_spec", {**ActionSpec().to_mapping(), "rate_hz": -1.0}),
    ],
)
def test_unusable_values_are_refused(field: str, value: object) -> None:
    data = {**METADATA.to_mapping(), field: value}
    with pytest.raises(RecordingError):
        EpisodeMetadata.from_mapping(data)


def test_missing_and_unknown_fields_are_named() -> None:
    data = METADATA.to_mapping()
    del data["seed"]
    with pytest.raises(RecordingError, match="seed"):
        EpisodeMetadata.from_mapping(data)
    with pytest.raises(RecordingError, match="colour"):
        EpisodeMetadata.from_mapping({**METADATA.to_mapping(), "colour": 1})


def test_the_spec_is_the_recorded_one() -> None:
    spec = ActionSpec(translation_limit_m=0.01)
    assert replace(METADATA, action_spec=spec.to_mapping()).spec == spec


@given(st.text())
def test_a_folder_name_is_one_path_component_or_refused(task: str) -> None:
    try:
        name = episode_folder_name(task, 3, "20260131T120000Z")
    except RecordingError:
        return
    assert "/" not in name
    assert ".." not in name
    assert not name.startswith(".")
    assert name == f"{task}_seed3_20260131T120000Z"


@pytest.mark.parametrize("task", ["pick_place", "a", "stack-3.cubes", "A" * 80])
def test_ordinary_task_names_are_taken(task: str) -> None:
    assert episode_folder_name(task, None, "t") == f"{task}_t"


def test_the_clock_is_not_recorded_and_images_are_continuous() -> None:
    assert "/clock" not in EPISODE_TOPICS
    images = [t for t in EPISODE_TOPICS.values() if t.role is TopicRole.IMAGE]
    assert len(images) == 2
    assert all(t.continuous and t.required and t.has_header for t in images)


def test_what_is_optional_may_be_missing_and_is_left_out_when_empty() -> None:
    values = METADATA.to_mapping()
    assert not {"image_formats", "label_history", "provenance"} & set(values)
    assert EpisodeMetadata.from_mapping(values) == METADATA
    changed = METADATA.relabelled("failure", "dropped", "2026-01-31T12:00:00Z")
    again = EpisodeMetadata.from_mapping(json.loads(json.dumps(changed.to_mapping())))
    assert again == changed
    made = replace(METADATA, provenance={"policy": "local", "round": 2, "policy_share": 0.6})
    assert EpisodeMetadata.from_mapping(json.loads(json.dumps(made.to_mapping()))) == made
    assert again.label_history == (
        {"label": "unknown", "reason": "", "until": "2026-01-31T12:00:00Z"},
    )


@pytest.mark.parametrize(
    "values",
    [
        {"label_history": [{"label": "x"}]},
        {"image_formats": 3},
        {"label_history": "x"},
        {"provenance": "x"},
        {"provenance": {"round": [1]}},
    ],
)
def test_unusable_optional_fields_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(RecordingError, match="episode metadata"):
        EpisodeMetadata.from_mapping({**METADATA.to_mapping(), **values})


def test_numbered_names_sort_by_number() -> None:
    names = [episode_folder_name("pick", 3, "20260131T120000.000Z", n) for n in (2, 10, 11)]
    assert names == sorted(names)
    assert names[0] == "pick_seed3_0002_20260131T120000.000Z"
