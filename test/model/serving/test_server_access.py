"""Who gets a session of the server, how many, for how long, and through what."""

import datetime
import ipaddress
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from own_address import own_address
from policy_doubles import WAIT_S, EchoPolicy, expected_answer, make_frame, observe, same_answer
from raw_client import HELLO, TOKEN, RawClient
from running_server import RunningServer, wait_until
from websockets.exceptions import InvalidStatus

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    PolicyConnectionError,
)
from spatialbot_model.serving.messages import PROTOCOL_VERSION, Failure, Message, Ping, Welcome


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (replace(HELLO, version=PROTOCOL_VERSION + 1), "protocol"),
        (Ping("s", 1), "protocol"),
        (replace(HELLO, software="x" * 16000), None),
    ],
)
def test_the_first_message_must_be_a_fitting_hello(
    server: RunningServer, first: Message, code: str | None
) -> None:
    with RawClient(server) as client:
        reply = client.ask(first)
        if code is None:
            assert isinstance(reply, Welcome)
            return
        assert isinstance(reply, Failure)
        assert reply.code == code
        client.assert_closed()


@pytest.mark.parametrize("token", ["", "another token...", TOKEN + "x", TOKEN[:-1]])
def test_a_wrong_token_gets_no_session(token: str) -> None:
    with RunningServer(token=TOKEN) as server:
        with RawClient(server) as client:
            reply = client.ask(replace(HELLO, token=token))
            assert isinstance(reply, Failure)
            assert reply.code == "unauthorized"
            client.assert_closed()
        assert not server.policies
        with pytest.raises(ConfigurationError, match="token"), server.client(token=token):
            pass
        with server.client(token=TOKEN) as good:
            assert good.welcome is not None


def test_sessions_are_limited() -> None:
    with RunningServer(max_sessions=2) as server:
        with server.client() as first, server.client():
            third = server.client(connect_timeout_s=0.3)
            with pytest.raises(PolicyConnectionError, match="sessions are taken"):
                third.connect()
            first.close()
            # it keeps trying: once a place is free it has it
            third.connect(WAIT_S)
            third.close()
        assert server.server.metrics.connections_refused["busy"] >= 1


def test_idle_sessions_expire_and_the_client_comes_back_when_needed() -> None:
    with RunningServer(idle_timeout_s=0.2) as server, server.client() as client:
        client.start("pick it")
        observation = observe([make_frame(0)])
        client.step(observation)
        wait_until(lambda: client.welcome is None, "expired")
        assert server.server.metrics.failures["expired"] == 1
        wait_until(lambda: server.server.metrics.sessions == 0, "session closed")
        with pytest.raises(PolicyConnectionError):
            client.step(observation)
        client.connect(WAIT_S)
        assert same_answer(client.step(observation), expected_answer(observation))


def test_a_client_that_says_nothing_is_sent_away() -> None:
    with RunningServer(hello_timeout_s=0.1) as server, RawClient(server) as client:
        reply = client.receive()
        assert isinstance(reply, Failure)
        assert "no hello" in reply.text
        client.assert_closed()


def test_connections_without_a_hello_are_limited() -> None:
    with RunningServer() as server, ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(RawClient(server))
        with pytest.raises(InvalidStatus, match="503"):
            RawClient(server)
        assert server.get("/health")[0] == 200
        stack.close()
        with server.client():
            pass


def test_a_policy_that_cannot_be_made_gives_no_session() -> None:
    def make(spec: ActionSpec) -> EchoPolicy:
        ActionSpec(rate_hz=10.0).check_compatible(spec)
        return EchoPolicy(spec)

    with RunningServer(make) as server:
        other = server.client(action_spec=ActionSpec(rate_hz=5.0))
        with pytest.raises(ActionSpecMismatchError, match="rate_hz"), other:
            pass
        with server.client():
            pass
        wait_until(lambda: server.server.metrics.sessions == 0, "sessions closed")


def test_web_pages_are_refused(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        RawClient(server, origin="http://example.org")


def test_an_address_in_use_is_said(server: RunningServer) -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot bind"),
        RunningServer(host=server.options.host, port=server.port),
    ):
        pytest.fail("two servers on one address")


def test_tls(tmp_path: Path) -> None:
    host = own_address()
    certificate, key = make_certificate(tmp_path, host)
    with RunningServer(
        host=host, certificate_file=str(certificate), private_key_file=str(key)
    ) as server:
        url = server.url.replace("ws://", "wss://")
        with server.client(url=url, ca_file=str(certificate)) as client:
            client.start("pick it")
            observation = observe([make_frame(0)])
            assert same_answer(client.step(observation), expected_answer(observation))
        stranger = server.client(url=url, connect_timeout_s=1.0)
        with pytest.raises(PolicyConnectionError, match=r"(?i)certificate"):
            stranger.connect()
        stranger.close()


def make_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate of an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "cert.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path
