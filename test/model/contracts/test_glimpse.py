"""Glimpses are told from whole episodes by what is written in them."""

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.contracts.glimpse import STEPS_KEY, UNKNOWN_MOMENT, moment_of, reason_of


def metadata(**values) -> EpisodeMetadata:
    return EpisodeMetadata("pick_place", "go", ActionSpec().to_mapping(), **values)


def test_a_moment_is_read_back() -> None:
    assert moment_of(metadata(label="success", reason=reason_of("carry"))) == "carry"


def test_a_whole_episode_has_none() -> None:
    assert moment_of(metadata(label="success", reason="a glimpse of hope")) == ""


def test_a_relabelled_glimpse_stays_one() -> None:
    changed = metadata(label="failure", reason="it slipped", provenance={STEPS_KEY: 3})
    assert moment_of(changed) == UNKNOWN_MOMENT
