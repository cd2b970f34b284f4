"""What the server grants and how it serves; spoken to through raw sockets and real clients."""

import json
import threading

import pytest
from policy_doubles import (
    WAIT_S,
    EchoPolicy,
    GatedPolicy,
    expected_answer,
    make_frame,
    observe,
    same_answer,
)
from raw_client import HELLO, RawClient, step_message
from running_server import RunningServer, wait_until

from spatialbot_model.contracts.errors import PolicyError, UnreadableInstructionError
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.messages import Answer, Done, Failure, Ping, Start


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
