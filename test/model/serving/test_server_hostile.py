"""What comes in wrong, mutated or as no message at all harms nobody."""

import random
import socket
from dataclasses import replace

import pytest
from policy_doubles import WAIT_S, EchoPolicy, expected_answer, make_frame, observe, same_answer
from raw_client import HELLO, RawClient, step_message
from running_server import RunningServer, wait_until
from test_protocol import MESSAGES, mutate

from spatialbot_model.contracts.errors import PolicyError, ProtocolError
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.messages import Done, Failure, Ping, Start, Welcome
from spatialbot_model.serving.protocol import encode


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


@pytest.mark.parametrize("answer", [None, "text", PolicyStep("x", 2**70), PolicyStep(b"x", 1)])
def test_what_cannot_be_sent_is_a_policy_error(answer: object) -> None:
    class Odd(EchoPolicy):
        def step(self, observation: Observation) -> PolicyStep:
            return answer  # type: ignore[return-value]

    with RunningServer(Odd) as server, server.client() as client:
        client.start("pick it")
        with pytest.raises((PolicyError, ProtocolError)):
            client.step(observe([make_frame(0)]))


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
