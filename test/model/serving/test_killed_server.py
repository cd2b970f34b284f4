"""A thousand steps through a server process that is killed and restarted at random moments."""

import logging
import random
import statistics
import threading

import pytest
from own_address import own_address
from policy_doubles import WAIT_S, expected_answer, make_frame, observe, same_answer
from running_server import wait_until
from server_process import ServerProcess

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import PolicyConnectionError, PolicyTimeoutError
from spatialbot_model.serving.client import PolicyClient
from spatialbot_model.serving.client_options import ClientOptions

NUM_STEPS = 1000
NUM_KILLS = 12
SEED = 7


class Killer:
    """Kills and restarts a server some random time after it is asked to."""

    def __init__(self, server: ServerProcess, source: random.Random) -> None:
        self.kills = 0
        self._server = server
        self._source = source
        self._thread: threading.Thread | None = None

    def strike_soon(self) -> None:
        """Within the next few milliseconds, about the length of a step."""
        self.wait()
        delay_s = self._source.uniform(0.0, 0.004)
        self._thread = threading.Thread(target=lambda: self._strike(delay_s))
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server is back from the last kill."""
        if self._thread is not None:
            self._thread.join(WAIT_S)
            assert not self._thread.is_alive()

    def _strike(self, delay_s: float) -> None:
        threading.Event().wait(delay_s)
        self._server.kill()
        self.kills += 1
        self._server.start()


def test_a_thousand_steps_with_a_server_that_is_killed() -> None:
    source = random.Random(SEED)
    strikes = set(source.sample(range(20, NUM_STEPS - 20), NUM_KILLS))
    frames = [make_frame(k, 64, 48) for k in range(NUM_STEPS)]
    wrong: list[int] = []
    round_trips_ms: list[float] = []
    sessions: set[str] = set()
    holds = 0
    with ServerProcess(own_address()) as server:
        killer = Killer(server, source)
        client = PolicyClient(
            ClientOptions(server.url, ActionSpec(), step_timeout_s=WAIT_S, backoff_limit_s=0.1),
            source=source,
        )
        client.start("pick it")
        for k in range(NUM_STEPS):
            if k in strikes:
                killer.strike_soon()
            observation = observe(frames[max(0, k - 3) : k + 1])
            answer = None
            while answer is None:
                try:
                    answer = client.step(observation)
                except (PolicyConnectionError, PolicyTimeoutError):
                    # what a robot does now is hold; here: until the connection is back
                    holds += 1
                    client.connect(WAIT_S)
            if not same_answer(answer, expected_answer(observation)):
                wrong.append(k)
            stages_ms = answer.stage_ms
            round_trips_ms.append(stages_ms["server"] + stages_ms["transport"])
            if client.welcome is not None:
                sessions.add(client.welcome.session)
        killer.wait()
        wait_until(lambda: client.welcome is not None, "connected again")
        assert 2 <= client.counters.connections <= NUM_KILLS + 1
        client.close()
    figures = {
        "kills": killer.kills,
        "holds": holds,
        "connections": client.counters.connections,
        "sessions": len(sessions),
        "frames_sent": client.counters.frames_sent,
        "late_answers": client.counters.late_answers,
        "foreign_answers": client.counters.foreign_answers,
        "median_step_ms": round(statistics.median(round_trips_ms), 3),
    }
    logging.getLogger(__name__).info("figures: %s", figures)
    assert not wrong
    assert killer.kills == NUM_KILLS
    assert holds >= NUM_KILLS // 2
    assert client.counters.steps == NUM_STEPS
    # after each restart the four frames of the history, else one a step
    assert client.counters.frames_sent <= NUM_STEPS + 4 * (NUM_KILLS + holds)


def test_a_server_that_is_told_to_end_does_so_in_order() -> None:
    with ServerProcess(own_address()) as server:
        client = PolicyClient(ClientOptions(server.url, ActionSpec()))
        client.start("pick it")
        client.step(observe([make_frame(0)]))
        assert server.interrupt() == 0
        wait_until(lambda: client.welcome is None, "disconnected")
        with pytest.raises(PolicyConnectionError):
            client.step(observe([make_frame(1)]))
        client.close()
