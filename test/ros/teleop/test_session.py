"""The recording session: one request at a time, and never a lie about what is recorded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_ros.teleop.inputs import Button
from spatialbot_ros.teleop.session import EpisodeSession, Phase, RecorderRequest


def test_an_episode_from_start_to_success() -> None:
    session = EpisodeSession()
    assert session.press(Button.EPISODE_START) == RecorderRequest(True)
    assert session.phase is Phase.STARTING
    assert session.answered(True, "recording") is None
    assert (session.phase, session.message) == (Phase.RECORDING, "recording")
    assert session.press(Button.EPISODE_SUCCESS) == RecorderRequest(False, "success")
    session.answered(True, "complete")
    assert (session.phase, dict(session.counts)) == (Phase.IDLE, {"success": 1})


@pytest.mark.parametrize(
    ("button", "label", "counted"),
    [
        (Button.EPISODE_FAILURE, "failure", "failure"),
        (Button.EPISODE_END, "unknown", "unknown"),
        (Button.EPISODE_DISCARD, "unknown", "discarded"),
    ],
)
def test_other_ends(button: Button, label: str, counted: str) -> None:
    session = EpisodeSession()
    request = session.press(button)
    assert request is not None and request.label == label
    assert request.discard == (counted == "discarded")
    session.answered(True, "")
    assert session.counts[counted] == 1


def test_again_discards_and_starts() -> None:
    session = EpisodeSession()
    request = session.press(Button.EPISODE_AGAIN)
    assert request is not None and request.discard
    assert session.answered(True, "discarded") == RecorderRequest(True)
    assert session.phase is Phase.STARTING
    session.answered(True, "recording")
    assert session.phase is Phase.RECORDING


def test_again_starts_nothing_when_nothing_could_be_discarded() -> None:
    session = EpisodeSession()
    session.press(Button.EPISODE_AGAIN)
    assert session.answered(False, "no episode is open") is None
    assert session.phase is Phase.IDLE and session.message == "no episode is open"
    assert not session.counts


def test_a_start_that_fails_is_no_recording() -> None:
    session = EpisodeSession()
    session.press(Button.EPISODE_START)
    session.answered(False, "the disk is full")
    assert session.phase is Phase.IDLE and "disk" in session.message


@given(st.lists(st.one_of(st.sampled_from(Button), st.booleans())))
def test_never_two_requests_at_a_time(events: list[Button | bool]) -> None:
    session, waiting = EpisodeSession(), 0
    for event in events:
        if isinstance(event, bool):
            waiting = max(0, waiting - 1)
            waiting += session.answered(event, "") is not None
        else:
            waiting += session.press(event) is not None
        assert waiting <= 1
        assert (session.phase in (Phase.STARTING, Phase.ENDING)) == (waiting == 1)
