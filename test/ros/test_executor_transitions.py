"""Every transition of the executor's state machine, and the drawing of it in the docs."""

import pytest
from executor_bench import Bench

from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.executor_types import State

TRANSITIONS = {
    # from: {event: to}
    "disconnected": {"connect": "idle", "stop": "disconnected", "act": "disconnected"},
    "idle": {"act": "running", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "running": {
        "gap": "hold",
        "bad": "hold",
        "block": "hold",
        "stop": "stopped",
        "reflex": "fault",
    },
    "hold": {"act": "running", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "teleop": {"let go": "hold", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "homing": {
        "arrive": "idle",
        "block": "hold",
        "act": "homing",
        "stop": "stopped",
        "reflex": "fault",
    },
    "stopped": {"resume": "idle", "act": "stopped", "home": "stopped", "reflex": "fault"},
    "fault": {"resume": "fault", "act": "fault", "recover": "recovering", "stop": "fault"},
    "recovering": {"recovered": "stopped", "failed": "fault", "act": "recovering"},
}


def bring_to(bench, state):
    if state == "disconnected":
        return
    bench.connect()
    way = {
        "running": ["act"],
        "hold": ["act", "gap"],
        "teleop": ["teleop"],
        "homing": ["home"],
        "stopped": ["stop"],
        "fault": ["reflex"],
        "recovering": ["reflex", "recover"],
    }
    for event in way.get(state, []):
        happen(bench, event)


def happen(bench, event):
    executor = bench.executor
    events = {
        "connect": bench.connect,
        "lose": lambda: executor.disconnected("cable"),
        "act": lambda: bench.act((0.012, 0, 0)),
        "bad": lambda: bench.act((0.012, 0, 0), action_spec_id="other"),
        "teleop": lambda: bench.act((0.012, 0, 0), source="teleop"),
        "gap": lambda: bench.tick(60),
        "block": bench.block,
        "let go": lambda: bench.tick(60),
        "stop": lambda: executor.stop("test"),
        "resume": executor.resume,
        "home": executor.begin_homing,
        "arrive": lambda: executor.end_homing(True),
        "reflex": lambda: (bench.arm.trip_reflex(), bench.tick()),
        "recover": lambda: (bench.arm.recover(), executor.begin_recovery()),
        "recovered": lambda: executor.recovered(bench.arm.read_state()),
        "failed": lambda: executor.recovery_failed("errors persist"),
    }
    events[event]()


@pytest.mark.parametrize(
    ("state", "event", "next_state"),
    [
        (state, event, to)
        for state, ways in TRANSITIONS.items()
        for event, to in (ways | {"lose": "disconnected"}).items()
    ],
)
def test_every_transition(state, event, next_state):
    bench = Bench()
    bring_to(bench, state)
    assert bench.state.value == state
    happen(bench, event)
    assert bench.state.value == next_state


def test_the_drawing_in_the_docs_shows_the_same_transitions():
    text = find_resource("docs/executor.md").read_text(encoding="utf-8")
    drawn = set()
    for line in text.splitlines():
        left, arrow, right = line.strip().partition(" --> ")
        if arrow and not left.startswith("[*]"):
            drawn.add((left.lower(), right.partition(":")[0].strip().lower()))
    tested = {(a, b) for a, ways in TRANSITIONS.items() for b in ways.values() if a != b}
    assert tested <= drawn
    assert {state.value for state in State} == {name for pair in drawn for name in pair}
