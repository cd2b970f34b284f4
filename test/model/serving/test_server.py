"""What the server grants, refuses and survives; spoken to through raw sockets and real clients."""

import datetime
import ipaddress
import json
import random
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from own_address import own_address
from policy_doubles import (
    WAIT_S,
    EchoPolicy,
    GatedPolicy,
    expected_answer,
    make_frame,
    observe,
    same_answer,
)
from running_server import RunningServer, wait_until
from test_protocol import MESSAGES, STEP, mutate
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    PolicyConnectionError,
    PolicyError,
    ProtocolError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.messages import (
    PROTOCOL_VERSION,
    Answer,
    Done,
    Failure,
    Hello,
    Message,
    Ping,
    Start,
    Step,
    Welcome,
)
from spatialbot_model.serving.protocol import decode, encode

TOKEN = "a token for tests"
HELLO = Hello(PROTOCOL_VERSION, "", ActionSpec(), "test")


class RawClient:
    """Speaks messages one by one, also wrong ones."""

    def __init__(self, server: RunningServer, **options: object) -> None:
        self.socket: ClientConnection = connect(
            f"{server.url}/policy",
            compression=None,
            max_size=None,
            proxy=None,
            legacy=True,
            **options,
        )

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, message: Message) -> None:
        self.socket.send(encode(message))

    def receive(self) -> Message:
        return decode(self.socket.recv(WAIT_S, decode=False))

    def ask(self, message: Message) -> Message:
        self.send(message)
        return self.receive()

    def open(self) -> str:
        welcome = self.ask(HELLO)
        assert isinstance(welcome, Welcome)
        return welcome.session

    def assert_closed(self) -> None:
        with pytest.raises(ConnectionClosed):
            self.socket.recv(WAIT_S)


def step_message(session: str, seq: int, number: int) -> Step:
    frame = make_frame(number)
    return replace(
        STEP, session=session, seq=seq, stamps_ns=(frame.stamp_ns,), frames=(frame,), timeout_s=60.0
    )


def test_a_conversation(server: RunningServer) -> None:
    with RawClient(server) as client:
        session = client.open()
        assert client.ask(Ping(session, 1)) == Done(session, 1)
        assert client.ask(Start(session, 2, "pick it")) == Done(session, 2)
        answer = client.ask(step_message(session, 3, 1))
        assert isinstance(answer, Answer)
        assert (answer.session, answer.seq) == (session, 3)
        assert answer.step.observation_stamp_ns == make_frame(1).stamp_ns
        assert {"queue", "server", "decode"} <= set(answer.step.stage_ms)


def test_a_policy_is_used_from_one_thread_and_closed(server: RunningServer) -> None:
    with server.client() as client:
        client.start("pick it")
        client.step(observe([make_frame(0)]))
    wait_until(lambda: server.server.metrics.sessions == 0, "session closed")
    (policy,) = server.policies
    assert isinstance(policy, EchoPolicy)
    assert policy.closed
    assert len(policy.threads) == 1
    assert policy.threads != {threading.get_ident()}


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


def test_malformed_and_foreign_requests_end_the_session(server: RunningServer) -> None:
    with RawClient(server) as other:
        foreign = other.open()
        for make in (
            lambda session: encode(Ping(foreign, 1)),
            lambda session: encode(Ping(session, 0)),
            lambda session: encode(Done(session, 1)),
            lambda session: encode(HELLO),
            lambda session: b"\xc1",
        ):
            with RawClient(server) as client:
                client.socket.send(make(client.open()))
                reply = client.receive()
                assert isinstance(reply, Failure)
                assert (reply.code, reply.seq) == ("protocol", 0)
                client.assert_closed()
        # nobody else is touched
        assert other.ask(Ping(foreign, 1)) == Done(foreign, 1)
    assert server.server.metrics.malformed_messages == 5


def test_a_sequence_number_is_used_once(server: RunningServer) -> None:
    with RawClient(server) as client:
        session = client.open()
        client.ask(Ping(session, 5))
        reply = client.ask(Ping(session, 5))
        assert isinstance(reply, Failure)
        assert "must grow" in reply.text


def test_a_step_that_names_unknown_frames_is_told_so(server: RunningServer) -> None:
    with RawClient(server) as client:
        session = client.open()
        client.ask(Start(session, 1, "pick"))
        reply = client.ask(replace(step_message(session, 2, 1), frames=()))
        assert isinstance(reply, Failure)
        assert (reply.code, reply.seq) == ("missing_frames", 2)


def test_the_newest_waiting_step_wins() -> None:
    policy = GatedPolicy()
    with RunningServer(lambda spec: policy) as server, RawClient(server) as client:
        session = client.open()
        client.ask(Start(session, 1, "pick"))
        client.send(step_message(session, 2, 1))
        policy.wait_arrived()
        for number in (2, 3, 4):
            client.send(step_message(session, number + 1, number))
        replaced = [client.receive() for _ in range(2)]
        policy.gate.set()
        answers = [client.receive() for _ in range(2)]
    assert [(r.seq, r.code) for r in replaced if isinstance(r, Failure)] == [
        (3, "superseded"),
        (4, "superseded"),
    ]
    assert [a.seq for a in answers if isinstance(a, Answer)] == [2, 5]
    assert policy.seen_ns == [make_frame(1).stamp_ns, make_frame(4).stamp_ns]


def test_a_slow_policy_is_answered_for_in_time_and_its_result_dropped() -> None:
    policy = GatedPolicy()
    with (
        RunningServer(lambda spec: policy, step_timeout_s=0.1) as server,
        RawClient(server) as client,
    ):
        session = client.open()
        client.ask(Start(session, 1, "pick"))
        client.send(step_message(session, 2, 1))
        policy.wait_arrived()
        late = client.receive()
        assert isinstance(late, Failure)
        assert (late.code, late.seq) == ("timeout", 2)
        policy.gate.set()
        wait_until(lambda: server.server.metrics.late_results == 1, "late result counted")
        answer = client.ask(step_message(session, 3, 2))
        assert isinstance(answer, Answer)
        assert answer.seq == 3


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


def test_a_hanging_policy_keeps_its_place_but_neither_client_nor_server() -> None:
    policy = GatedPolicy()
    with RunningServer(lambda spec: policy, max_sessions=1, grace_s=0.1) as server:
        client = server.client(step_timeout_s=0.05)
        client.start("pick it")
        with pytest.raises(TimeoutError):
            client.step(observe([make_frame(0)]))
        client.close()
        with RawClient(server) as refused:
            reply = refused.ask(HELLO)
            assert isinstance(reply, Failure)
            assert reply.code == "busy"
        policy.gate.set()
        wait_until(lambda: server.server.metrics.sessions == 0, "place free again")
        with server.client():
            pass


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


def test_errors_of_a_policy_reach_the_client() -> None:
    class Failing(EchoPolicy):
        error: Exception = PolicyError("no red object is in view")

        def step(self, observation: Observation) -> PolicyStep:
            raise self.error

    with RunningServer(Failing) as server, server.client() as client:
        with pytest.raises(UnreadableInstructionError, match="say pick"):
            client.start("dance")
        client.start("pick it")
        with pytest.raises(PolicyError, match="no red object"):
            client.step(observe([make_frame(0)]))
        Failing.error = KeyError("/home/somebody/secret")
        with pytest.raises(PolicyError, match=r"KeyError.*server's log") as caught:
            client.step(observe([make_frame(0)]))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("answer", [None, "text", PolicyStep("x", 2**70), PolicyStep(b"x", 1)])
def test_what_cannot_be_sent_is_a_policy_error(answer: object) -> None:
    class Odd(EchoPolicy):
        def step(self, observation: Observation) -> PolicyStep:
            return answer  # type: ignore[return-value]

    with RunningServer(Odd) as server, server.client() as client:
        client.start("pick it")
        with pytest.raises((PolicyError, ProtocolError)):
            client.step(observe([make_frame(0)]))


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


def test_sessions_keep_their_histories_apart(server: RunningServer) -> None:
    num_clients, num_steps = 4, 15
    wrong: list[str] = []
    barrier = threading.Barrier(num_clients)

    def drive(seed: int) -> None:
        # the same stamps in every session, other pixels and another instruction
        frames = [make_frame(k, seed=seed) for k in range(num_steps)]
        instruction = f"pick {seed}"
        with server.client() as client:
            client.start(instruction)
            for k in range(num_steps):
                barrier.wait(WAIT_S)
                observation = observe(frames[: k + 1], instruction)
                answer = client.step(observation)
                if not same_answer(answer, expected_answer(observation, instruction)):
                    wrong.append(f"session {seed} step {k}")

    threads = [threading.Thread(target=drive, args=(seed,)) for seed in range(num_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not wrong
    assert server.server.metrics.steps == num_clients * num_steps
    assert server.server.metrics.frames == num_clients * num_steps


def test_health_and_metrics(server: RunningServer) -> None:
    with server.client() as client:
        client.start("pick it")
        client.step(observe([make_frame(0)]))
        status, content_type, body = server.get("/health")
        health = json.loads(body)
        assert (status, content_type) == (200, "application/json")
        assert (health["status"], health["policy"], health["sessions"]) == ("ok", "double", 1)
        status, content_type, body = server.get("/metrics")
        assert status == 200
        assert content_type.startswith("text/plain; version=0.0.4")
        assert "spatialbot_policy_steps_total 1\n" in body
        assert "spatialbot_policy_step_seconds_count 1\n" in body
    assert server.get("/")[0] == 404
    assert server.get("/policy")[0] in (400, 426)


def test_web_pages_are_refused(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        RawClient(server, origin="http://example.org")


def test_stopping_lets_a_running_step_end() -> None:
    policy = GatedPolicy()
    server = RunningServer(lambda spec: policy, grace_s=WAIT_S)
    server.__enter__()
    with RawClient(server) as client:
        session = client.open()
        client.ask(Start(session, 1, "pick"))
        client.send(step_message(session, 2, 1))
        policy.wait_arrived()
        stopping = threading.Thread(target=server.__exit__)
        stopping.start()
        wait_until(lambda: server.server.is_stopping, "stopping")
        refused = client.ask(step_message(session, 3, 2))
        assert isinstance(refused, Failure)
        assert refused.code == "busy"
        policy.gate.set()
        answer = client.receive()
        assert isinstance(answer, Answer)
        client.assert_closed()
        stopping.join(WAIT_S)
        assert not stopping.is_alive()


def test_mutated_messages_do_not_harm_a_running_server(server: RunningServer) -> None:
    source = random.Random(30)
    originals = [encode(message) for message in MESSAGES]
    with server.client() as bystander:
        bystander.start("pick it")
        for k in range(300):
            with RawClient(server) as client:
                # every second one is let in first
                session = client.open() if k % 2 else ""
                good = encode(step_message(session, 1, 1)) if session else encode(HELLO)
                data = mutate(good if k % 4 < 2 else source.choice(originals), source)
                client.socket.send(data)
                reply = client.receive() if not session else None
                assert reply is None or isinstance(reply, Welcome | Failure)
            if k % 50 == 0:
                observation = observe([make_frame(k)])
                assert same_answer(bystander.step(observation), expected_answer(observation))
    wait_until(lambda: server.server.metrics.sessions == 0, "sessions closed")
    assert server.server.metrics.malformed_messages > 50
    assert server.get("/health")[0] == 200


def test_bytes_that_are_no_websocket_do_not_harm_a_running_server(server: RunningServer) -> None:
    source = random.Random(31)
    for _ in range(30):
        with socket.create_connection((server.options.host, server.port), WAIT_S) as raw:
            raw.sendall(source.randbytes(source.randint(1, 3000)) + b"\r\n\r\n")
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                continue
    with server.client():
        pass


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
