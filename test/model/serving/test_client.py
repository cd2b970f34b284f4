"""The client holds, resumes, and never uses an answer that is not the one it waits for."""

import random
import socket
import threading
from dataclasses import replace

import pytest
from own_address import own_address
from policy_doubles import (
    WAIT_S,
    EchoPolicy,
    GatedPolicy,
    StatefulPolicy,
    expected_answer,
    make_frame,
    observe,
    same_answer,
)
from running_server import RunningServer, wait_until
from server_double import ServerDouble, send_answer, start_is_done
from websockets.sync.server import ServerConnection

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
    ProtocolError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.client import PolicyClient
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.messages import Answer, Done, Failure, Message, Step, Welcome
from spatialbot_model.serving.protocol import encode

FRAMES = [make_frame(k) for k in range(12)]


def client_of(double: ServerDouble, **options: object) -> PolicyClient:
    defaults = ClientOptions(double.url, ActionSpec(), step_timeout_s=WAIT_S, backoff_limit_s=0.1)
    return PolicyClient(replace(defaults, **options))


def good_answer(step: Step) -> Answer:
    """What the double of a policy would say to the frames that were uploaded."""
    observation = observe(step.frames[::-1])
    return Answer(step.session, step.seq, expected_answer(observation))


def test_each_step_uploads_its_newest_frame_only(server: RunningServer) -> None:
    with server.client() as client:
        client.start("pick it")
        for k in range(8):
            observation = observe(FRAMES[: k + 1])
            answer = client.step(observation)
            assert same_answer(answer, expected_answer(observation))
            assert answer.stage_ms["transport"] >= 0.0
            assert answer.stage_ms["decode"] == 1.5
        assert client.counters.frames_sent == 8
        # two frames were never shown: three are new
        observation = observe(FRAMES[:11])
        assert same_answer(client.step(observation), expected_answer(observation))
        assert client.counters.frames_sent == 11


def test_a_new_instruction_forgets_the_frames_of_the_last(server: RunningServer) -> None:
    with server.client() as client:
        for instruction in ("pick one", "pick two"):
            client.start(instruction)
            observation = observe(FRAMES[:1], instruction)
            answer = client.step(observation)
            assert same_answer(answer, expected_answer(observation, instruction))
        assert client.counters.frames_sent == 2
        client.reset()
        with pytest.raises(PolicyError, match="no instruction"):
            client.step(observation)


def test_a_slow_server_is_a_timeout_and_its_late_answer_is_dropped() -> None:
    policy = GatedPolicy()
    with RunningServer(lambda spec: policy) as server, server.client() as client:
        client.start("pick it")
        with pytest.raises(PolicyTimeoutError, match=r"within 0\.05 s"):
            client.step(observe(FRAMES[:1]), timeout_s=0.05)
        policy.wait_arrived()
        policy.gate.set()
        wait_until(lambda: client.counters.late_answers == 1, "late answer dropped")
        observation = observe(FRAMES[:2])
        assert same_answer(client.step(observation), expected_answer(observation))
        assert client.counters.timeouts == 1
        # frames of the step that timed out had arrived
        assert client.counters.frames_sent == 2


def test_a_server_that_is_slow_now_and_then_never_gives_a_wrong_answer() -> None:
    source = random.Random(5)

    class Uneven(EchoPolicy):
        def step(self, observation: Observation) -> PolicyStep:
            # work that takes a while; nothing waits for this
            threading.Event().wait(source.choice((0.0, 0.0, 0.02, 0.05)))
            return super().step(observation)

    with RunningServer(Uneven) as server, server.client() as client:
        client.start("pick it")
        num_answers = 0
        for k in range(120):
            observation = observe([make_frame(j) for j in range(max(0, k - 3), k + 1)])
            try:
                answer = client.step(observation, timeout_s=0.015)
            except PolicyTimeoutError:
                continue
            num_answers += 1
            assert same_answer(answer, expected_answer(observation))
        assert client.counters.timeouts == 120 - num_answers > 0
        assert num_answers > 0
        assert client.counters.foreign_answers == 0
        assert client.counters.connections == 1


def test_a_server_that_does_not_read_is_a_timeout_too() -> None:
    reading = threading.Event()

    def script(connection: ServerConnection, message: Message) -> None:
        if not start_is_done(connection, message):
            reading.wait(WAIT_S)

    with ServerDouble(script) as double, client_of(double) as client:
        client.start("pick it")
        sent = []
        for number in range(6):
            # 8 MB each: more than the system's buffers take
            frame = make_frame(number, 1600, 1000)
            with pytest.raises(PolicyTimeoutError):
                client.step(observe([frame]), timeout_s=0.1)
            sent.append(client.counters.frames_sent)
        reading.set()
    # nothing piles up: later steps find the first ones still on their way
    assert sent[-1] < 8
    assert sent[-1] == sent[-2]


def test_answers_of_another_session_or_step_are_dropped() -> None:
    def script(connection: ServerConnection, message: Message) -> None:
        if start_is_done(connection, message) or not isinstance(message, Step):
            return
        answer = good_answer(message)
        wrong = replace(answer.step, text="The robot should <1, 1, 1, 1, 1, 1, 1>.")
        send_answer(connection, Answer("session 99", message.seq, wrong))
        send_answer(connection, Answer("", message.seq, wrong))
        send_answer(connection, Answer(message.session, message.seq + 1, wrong))
        send_answer(connection, Answer(message.session, message.seq - 1, wrong))
        connection.send(encode(Failure("session 99", message.seq, "policy", "wrong")))
        send_answer(connection, answer)
        send_answer(connection, Answer(message.session, message.seq, wrong))

    with ServerDouble(script) as double, client_of(double) as client:
        client.start("pick it")
        for frame in FRAMES[:3]:
            answer = client.step(observe([frame]))
            assert same_answer(answer, expected_answer(observe([frame])))
        wait_until(lambda: client.counters.late_answers == 9, "duplicates dropped")
        assert client.counters.foreign_answers == 9


def test_missing_frames_are_uploaded_at_once() -> None:
    def script(connection: ServerConnection, message: Message) -> None:
        if start_is_done(connection, message) or not isinstance(message, Step):
            return
        if len(message.frames) < len(set(message.stamps_ns)):
            failure = Failure(message.session, message.seq, "missing_frames", "forgotten")
            connection.send(encode(failure))
        else:
            send_answer(connection, good_answer(message))

    with ServerDouble(script) as double, client_of(double) as client:
        client.start("pick it")
        for k in range(3):
            observation = observe(FRAMES[: k + 1])
            assert same_answer(client.step(observation), expected_answer(observation))
        assert [len(step.frames) for step in double.steps] == [1, 1, 2, 1, 3]


@pytest.mark.parametrize("junk", [b"\xc1", encode(Done("session 1", 2))])
def test_a_server_that_talks_nonsense_is_left(junk: bytes) -> None:
    def script(connection: ServerConnection, message: Message) -> None:
        if not start_is_done(connection, message):
            connection.send(junk)

    with ServerDouble(script) as double, client_of(double) as client:
        client.start("pick it")
        with pytest.raises(ProtocolError):
            client.step(observe(FRAMES[:1]))


def test_another_meaning_of_actions_is_refused() -> None:
    welcome = Welcome("", "scripted", ActionSpec(rate_hz=5.0), "test", True)
    with ServerDouble(lambda connection, message: None, welcome) as double:
        client = client_of(double)
        with pytest.raises(ActionSpecMismatchError, match="rate_hz"):
            client.connect()
        with pytest.raises(ActionSpecMismatchError):
            client.start("pick it")
        client.close()


def test_a_refusal_that_is_over_is_forgotten() -> None:
    host = own_address()
    with RunningServer(host=host, token="a token for tests") as strict:
        client = strict.client()
        with pytest.raises(ConfigurationError, match="token"):
            client.start("pick it")
    with RunningServer(host=host, port=strict.port):
        client.start("pick it")
        client.close()


def test_an_observation_that_cannot_be_sent_harms_nothing(server: RunningServer) -> None:
    with server.client() as client:
        client.start("pick it")
        client.step(observe(FRAMES[:1]))
        observation = observe(FRAMES[:2])
        with pytest.raises(ProtocolError, match="newest first"):
            client.step(replace(observation, frames=observation.frames[::-1]))
        assert same_answer(client.step(observation), expected_answer(observation))
        assert client.counters.connections == 1


def test_without_a_server_connecting_and_starting_say_so() -> None:
    with socket.socket() as unused:
        unused.bind((own_address(), 0))
        host, port = unused.getsockname()
        options = ClientOptions(f"ws://{host}:{port}", ActionSpec(), connect_timeout_s=0.2)
        client = PolicyClient(options)
        with pytest.raises(PolicyError, match="no instruction"):
            client.step(observe(FRAMES[:1]))
        for call in (client.connect, lambda: client.start("pick it")):
            with pytest.raises(PolicyConnectionError, match=f"{host}:{port}"):
                call()
        with pytest.raises(PolicyConnectionError):
            client.step(observe(FRAMES[:1]))
        client.close()


def test_a_lost_connection_holds_and_resumes_with_the_whole_history() -> None:
    host = own_address()
    with RunningServer(host=host) as first:
        client = first.client()
        client.start("pick it")
        for k in range(4):
            client.step(observe(FRAMES[: k + 1]))
    wait_until(lambda: client.welcome is None, "connection lost")
    with pytest.raises(PolicyConnectionError):
        client.step(observe(FRAMES[:5]))
    with RunningServer(host=host, port=first.port) as second:
        client.connect(WAIT_S)
        observation = observe(FRAMES[:6])
        assert same_answer(client.step(observation), expected_answer(observation))
        assert second.server.metrics.frames == 4
        assert client.counters.connections == 2
        client.close()


def test_a_connection_lost_while_waiting_is_told_at_once() -> None:
    policy = GatedPolicy()
    errors: list[BaseException] = []
    with RunningServer(lambda spec: policy, grace_s=0.05) as server:
        client = server.client()
        client.start("pick it")

        def ask() -> None:
            try:
                client.step(observe(FRAMES[:1]))
            except PolicyConnectionError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        policy.wait_arrived()
    asking.join(WAIT_S)
    policy.gate.set()
    assert len(errors) == 1
    assert client.counters.holds == 1
    client.close()


@pytest.mark.parametrize("loss", ["connection", "answer"])
def test_a_policy_that_remembers_more_than_frames_ends_its_instruction(loss: str) -> None:
    host = own_address()
    with RunningServer(StatefulPolicy, host=host) as first:
        client = first.client()
        client.start("pick it")
        client.step(observe(FRAMES[:1]))
        if loss == "answer":
            with pytest.raises(PolicyTimeoutError):
                client.step(observe(FRAMES[:2]), timeout_s=1e-9)
            with pytest.raises(PolicyError, match="cannot go on"):
                client.step(observe(FRAMES[:3]))
            client.start("pick it")
            client.step(observe(FRAMES[:4]))
            client.close()
            return
    with RunningServer(StatefulPolicy, host=host, port=first.port):
        client.connect(WAIT_S)
        with pytest.raises(PolicyError, match="cannot go on"):
            client.step(observe(FRAMES[:2]))
        client.start("pick it")
        observation = observe(FRAMES[2:3])
        assert same_answer(client.step(observation), expected_answer(observation))
        client.close()


def test_waits_between_attempts_grow_and_begin_again() -> None:
    waits_s: list[float] = []
    enough = threading.Event()

    async def sleep(wait_s: float) -> None:
        waits_s.append(wait_s)
        if len(waits_s) >= 6:
            enough.set()

    with socket.socket() as unused:
        unused.bind((own_address(), 0))
        host, port = unused.getsockname()
        options = ClientOptions(
            f"ws://{host}:{port}", ActionSpec(), connect_timeout_s=0.01, backoff_limit_s=0.4
        )
        client = PolicyClient(options, source=random.Random(3), sleep=sleep)
        with pytest.raises(PolicyConnectionError):
            client.connect()
        assert enough.wait(WAIT_S)
        client.close()
    for wait_s, longest_s in zip(waits_s, (0.05, 0.1, 0.2, 0.4, 0.4, 0.4), strict=False):
        assert longest_s / 2.0 <= wait_s <= longest_s


def test_closing_is_final_repeatable_and_leaves_no_thread(server: RunningServer) -> None:
    before = set(threading.enumerate())
    client = server.client()
    client.close()
    client = server.client()
    client.start("pick it")
    client.step(observe(FRAMES[:1]))
    client.close()
    client.close()
    wait_until(lambda: server.server.metrics.sessions == 0, "session closed")
    wait_until(lambda: set(threading.enumerate()) <= before, "threads ended")
    for call in (client.connect, lambda: client.start("pick it")):
        with pytest.raises(PolicyError, match="closed"):
            call()
    with pytest.raises(PolicyError):
        client.step(observe(FRAMES[:1]))


def test_a_block_that_cannot_be_entered_leaves_no_thread() -> None:
    welcome = Welcome("", "scripted", ActionSpec(rate_hz=5.0), "test", True)
    with ServerDouble(lambda connection, message: None, welcome) as double:
        with pytest.raises(ActionSpecMismatchError), client_of(double):
            raise AssertionError("entered")
        assert "policy-client" not in {thread.name for thread in threading.enumerate()}


def test_closing_ends_a_step_that_waits() -> None:
    policy = GatedPolicy()
    with RunningServer(lambda spec: policy, grace_s=0.05) as server:
        client = server.client()
        client.start("pick it")
        closing = threading.Thread(target=lambda: (policy.wait_arrived(), client.close()))
        closing.start()
        with pytest.raises(PolicyError):
            client.step(observe(FRAMES[:1]))
        closing.join(WAIT_S)
        policy.gate.set()


def test_many_clients_come_and_go(server: RunningServer) -> None:
    before = set(threading.enumerate())
    for _ in range(20):
        with server.client() as client:
            client.start("pick it")
            client.step(observe(FRAMES[:1]))
    wait_until(lambda: set(threading.enumerate()) <= before, "threads ended")
    assert all(isinstance(policy, EchoPolicy) and policy.closed for policy in server.policies)
