"""The small parts: frames that both sides know, waiting times, tokens, errors, metrics."""

import random
from pathlib import Path

import pytest
from policy_doubles import make_frame

from spatialbot_model.contracts import errors
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.serving.backoff import Backoff
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.credentials import (
    TOKEN_VARIABLE,
    is_loopback,
    read_token,
    server_tls,
    tokens_match,
)
from spatialbot_model.serving.failures import failure_code, failure_error
from spatialbot_model.serving.frame_store import ReceivedFrames, SentFrames
from spatialbot_model.serving.metrics import LatencyHistogram, ServerMetrics
from spatialbot_model.serving.options import ServerOptions
from spatialbot_model.serving.ssh import SshTarget

TOKEN = "0123456789abcdef"


def test_only_new_frames_are_uploaded_and_the_server_has_the_rest() -> None:
    frames = [make_frame(k) for k in range(8)]
    sent, received = SentFrames(), ReceivedFrames()
    for newest in range(8):
        shown = tuple(frames[max(0, k)] for k in range(newest, newest - 4, -1))
        missing = sent.select(shown)
        assert missing == (frames[newest],)
        sent.remember(shown)
        assert received.receive([f.stamp_ns for f in shown], missing) == shown


def test_skipped_frames_are_uploaded_newest_first() -> None:
    frames = [make_frame(k) for k in range(4)]
    sent = SentFrames()
    sent.remember(frames[:1])
    assert sent.select(frames[::-1]) == (frames[3], frames[2], frames[1])
    sent.clear()
    assert sent.select(frames[::-1]) == tuple(frames[::-1])


def test_another_image_with_a_known_stamp_is_uploaded() -> None:
    sent = SentFrames()
    sent.remember([make_frame(1)])
    again = make_frame(1)
    assert sent.select([again]) == (again,)


def test_the_server_keeps_no_more_than_the_last_step() -> None:
    frames = [make_frame(k) for k in range(3)]
    received = ReceivedFrames()
    assert received.receive([frames[1].stamp_ns, frames[0].stamp_ns], frames[:2]) is not None
    assert received.receive([frames[2].stamp_ns, frames[1].stamp_ns], frames[2:]) is not None
    assert received.receive([frames[2].stamp_ns, frames[0].stamp_ns], []) is None
    assert received.receive([frames[2].stamp_ns], []) == (frames[2],)
    received.clear()
    assert received.receive([frames[2].stamp_ns], []) is None


def test_waits_grow_to_a_limit_and_are_spread() -> None:
    backoff = Backoff(0.1, 0.8, random.Random(1))
    waits_s = [backoff.next_s() for _ in range(6)]
    for wait_s, longest_s in zip(waits_s, (0.1, 0.2, 0.4, 0.8, 0.8, 0.8), strict=True):
        assert longest_s / 2.0 <= wait_s <= longest_s
    assert len(set(waits_s)) == 6
    backoff.reset()
    assert backoff.next_s() <= 0.1
    again = Backoff(0.1, 0.8, random.Random(1))
    assert [again.next_s() for _ in range(6)] == waits_s


def test_a_token_file_is_read_when_it_is_private(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    assert read_token(str(path)) == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_token_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(mode)
    with pytest.raises(errors.ConfigurationError, match="chmod 600"):
        read_token(str(path))


@pytest.mark.parametrize("content", ["", "short", "zwölf und mehr Zeichen"])
def test_unusable_tokens_are_refused_without_showing_them(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(errors.ConfigurationError, match="at least 16") as caught:
        read_token(str(path))
    assert not content or content not in str(caught.value)


def test_a_missing_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="cannot read the token file"):
        read_token(str(tmp_path / "none"))


def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token() == ""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token() == TOKEN
    monkeypatch.setenv(TOKEN_VARIABLE, "short")
    with pytest.raises(errors.ConfigurationError):
        read_token()


def test_tokens_are_compared_whole() -> None:
    assert tokens_match(TOKEN, TOKEN)
    assert not tokens_match(TOKEN[:-1], TOKEN)
    assert not tokens_match("", TOKEN)
    assert not tokens_match("ä", TOKEN)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("robot", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_off_loopback_token_and_tls_are_needed(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
    ServerOptions(host=host, token=TOKEN, certificate_file="c.pem", private_key_file="k.pem")
    ServerOptions(host=host, token=TOKEN, allow_unencrypted=True)
    if loopback:
        ServerOptions(host=host)
        return
    with pytest.raises(errors.ConfigurationError, match="needs a token"):
        ServerOptions(host=host, certificate_file="c.pem", private_key_file="k.pem")
    with pytest.raises(errors.ConfigurationError, match="unencrypted"):
        ServerOptions(host=host, token=TOKEN)


def test_a_client_sends_nothing_unencrypted_to_another_machine() -> None:
    for url in ("ws://127.0.0.1", "ws://localhost:9000", "ws://[::1]", "wss://gpu.lab"):
        ClientOptions(url, ActionSpec(), token=TOKEN)
    for url in ("ws://gpu.lab", "ws://10.0.0.1:9000", "ws://127.0.0.1.example.org"):
        with pytest.raises(errors.ConfigurationError, match="not encrypted"):
            ClientOptions(url, ActionSpec())
        ClientOptions(url, ActionSpec(), allow_unencrypted=True)
        ClientOptions(url, ActionSpec(), ssh=SshTarget.parse("me@gateway"))


def test_tokens_are_not_shown() -> None:
    assert TOKEN not in repr(ServerOptions(token=TOKEN))
    assert TOKEN not in repr(ClientOptions("wss://robot", ActionSpec(), token=TOKEN))


@pytest.mark.parametrize("changes", [{"step_timeout_s": 0.0}, {"max_sessions": 0}, {"port": -1}])
def test_unusable_server_options_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(errors.ConfigurationError):
        ServerOptions(**changes)


def test_half_of_tls_is_refused(tmp_path: Path) -> None:
    assert server_tls("", "") is None
    with pytest.raises(errors.ConfigurationError, match="only one"):
        server_tls("cert.pem", "")
    with pytest.raises(errors.ConfigurationError, match="cannot use"):
        server_tls(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("ws://robot", "ws://robot:8765/policy"),
        ("ws://10.0.0.1:9000/", "ws://10.0.0.1:9000/policy"),
        ("wss://gpu.lab:443/policy", "wss://gpu.lab:443/policy"),
        ("ws://[::1]:80", "ws://[::1]:80/policy"),
    ],
)
def test_urls_are_completed(url: str, complete: str) -> None:
    assert ClientOptions(url, ActionSpec(), allow_unencrypted=True).url == complete


@pytest.mark.parametrize(
    "url",
    [
        *("", "robot:8765", "http://robot", "ws://", "ws://robot:99999"),
        *("ws://robot/other", "ws://user:pw@robot", "ws://robot?token=x"),
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="url"):
        ClientOptions(url, ActionSpec())


@pytest.mark.parametrize(
    "error_class",
    [
        errors.PolicyError,
        errors.PolicyTimeoutError,
        errors.PolicyConnectionError,
        errors.PolicyCancelledError,
        errors.UnreadableInstructionError,
        errors.ActionSpecMismatchError,
        errors.ConfigurationError,
        errors.CheckpointError,
        errors.ContextLengthError,
        errors.DepthQueryError,
        errors.ProtocolError,
        errors.StaleDataError,
    ],
)
def test_errors_keep_their_class(error_class: type[errors.SpatialBotError]) -> None:
    back = failure_error(failure_code(error_class("why")), "why")
    assert type(back) is error_class
    assert "why" in str(back)


def test_other_errors_become_policy_errors() -> None:
    assert failure_code(errors.RobotError("x")) == "policy"
    assert type(failure_error("os.system", "x")) is errors.PolicyError


def test_metrics_are_prometheus_text() -> None:
    metrics = ServerMetrics()
    metrics.failures["timeout"] += 2
    metrics.step_s.observe(0.004)
    metrics.step_s.observe(100.0)
    lines = metrics.render().splitlines()
    assert 'spatialbot_policy_failures_total{code="timeout"} 2' in lines
    assert 'spatialbot_policy_step_seconds_bucket{le="0.003"} 0' in lines
    assert 'spatialbot_policy_step_seconds_bucket{le="0.01"} 1' in lines
    assert 'spatialbot_policy_step_seconds_bucket{le="+Inf"} 2' in lines
    assert "spatialbot_policy_step_seconds_count 2" in lines
    assert LatencyHistogram().count == 0
