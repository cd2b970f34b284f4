"""The steps of a recording have the history that the VLA node's policy saw."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_model.data.control_steps import ActionEvent, AnswerEvent, control_steps

MS = 1_000_000
BINS = (50,) * 7
CAMERA = CameraIntrinsics(2, 1, 1.0, 1.0, 0.0, 0.0)


def frame(stamp_ns: int) -> RgbdFrame:
    return RgbdFrame(stamp_ns, np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2), np.uint16), CAMERA)


@dataclass
class Node:
    """What a VLA node does, and what a recorder writes down of it."""

    now_ns: int = 0
    pairs: list[int] = field(default_factory=list)
    actions: list[ActionEvent] = field(default_factory=list)
    answers: list[AnswerEvent] = field(default_factory=list)
    instructions: list[tuple[int, str]] = field(default_factory=list)
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, text: str, kinds: list[str], gaps: list[int], recorded_after: int) -> None:
        """One instruction; its message is recorded after so many answers."""
        history = FrameHistory()
        for number, (kind, gap) in enumerate(zip(kinds, gaps, strict=True)):
            if number == recorded_after:
                self.instructions.append((self.now_ns + 1, text))
            self.now_ns += 40 * MS + gap * MS
            # frames that the policy never sees lie in between
            self.pairs += [self.now_ns - 20 * MS, self.now_ns]
            history.push(frame(self.now_ns))
            frames = tuple(f.stamp_ns for f in history.frames())
            done_ns = self.now_ns + 15 * MS
            finished = kind == "finish"
            self.answers.append(AnswerEvent(done_ns, self.now_ns, kind, text, finished))
            if kind == "act":
                self.actions.append(ActionEvent(done_ns, self.now_ns, "policy", BINS))
            if kind in ("act", "finish"):
                self.seen.append(frames)
            self.now_ns = done_ns + 5 * MS


RUN = st.tuples(
    st.sampled_from(["a", "b"]),
    st.lists(st.tuples(st.sampled_from(["act", "act", "hold"]), st.integers(0, 300)), max_size=9),
    st.booleans(),
    st.integers(0, 1),
)


@given(st.lists(RUN, min_size=1, max_size=4))
def test_histories_are_those_of_the_node(runs: list) -> None:
    node = Node()
    late = False
    for text, steps, finishes, recorded_after in runs:
        kinds, gaps = [kind for kind, _ in steps], [gap for _, gap in steps]
        if finishes:
            kinds, gaps = [*kinds, "finish"], [*gaps, 0]
        # its message may be late where the end before it tells that another one begins
        node.run(text, kinds, gaps, min(recorded_after, len(kinds) - 1) if late else 0)
        late = finishes
    steps, lost = control_steps(
        node.actions,
        node.answers,
        pair_stamps_ns=node.pairs,
        instructions=node.instructions,
    )
    assert [step.frames_ns for step in steps] == node.seen
    assert not lost


def test_a_message_that_is_recorded_late_starts_no_second_instruction() -> None:
    node = Node()
    node.run("a", ["act", "act", "finish"], [0, 0, 0], 0)
    node.run("a", ["act", "act", "act"], [0, 0, 0], 1)
    node.run("b", ["act", "act", "act"], [0, 0, 0], 2)
    steps, _ = control_steps(
        node.actions, node.answers, pair_stamps_ns=node.pairs, instructions=node.instructions
    )
    assert [step.frames_ns for step in steps] == node.seen
    assert [step.bins is None for step in steps].index(True) == 2
    assert [step.instruction for step in steps] == ["a"] * 6 + ["b"] * 3


@given(st.sets(st.integers(0, 60), min_size=1), st.data())
@settings(max_examples=50)
def test_what_lost_its_frames_is_counted_and_left_out(kept: set[int], data: st.DataObject) -> None:
    stamps = [(k + 1) * 100 * MS for k in range(61)]
    actions = [ActionEvent(ns + 1, ns, "policy", BINS) for ns in stamps]
    pairs = sorted(stamps[k] for k in kept)
    steps, lost = control_steps(actions, [], pair_stamps_ns=pairs, instruction="go")
    whole = [k for k in range(61) if set(range(max(0, k - 3), k + 1)) <= kept]
    assert [step.frames_ns[0] for step in steps] == [stamps[k] for k in whole]
    assert sum(lost.values()) == 61 - len(whole)


def test_noise_is_learned_from_the_answer_only() -> None:
    actions = [ActionEvent(1, 1, "noise", BINS), ActionEvent(2, 2, "noise", BINS)]
    answers = [AnswerEvent(2, 2, "clean", "go", False)]
    steps, lost = control_steps(actions, answers, pair_stamps_ns=[1, 2])
    assert [(step.text, step.frames_ns) for step in steps] == [("clean", (2, 1, 1, 1))]
    assert list(lost.values()) == [1]


def test_teleoperation_sees_frames_one_period_apart() -> None:
    pairs = [(k + 1) * 33 * MS for k in range(40)]
    own = ActionEvent(1030 * MS, pairs[30], "teleop", BINS)
    without = ActionEvent(1030 * MS, 0, "teleop", BINS)
    early = ActionEvent(40 * MS, 0, "teleop", BINS)
    gone = ActionEvent(1000 * MS, 7, "teleop", BINS)
    steps, lost = control_steps(
        [own, without, early, gone], [], pair_stamps_ns=pairs, instruction="go"
    )
    assert [step.frames_ns for step in steps] == [
        (pairs[0],) * 4,
        *[(pairs[30], pairs[27], pairs[24], pairs[21])] * 2,
    ]
    assert sum(lost.values()) == 1


@pytest.mark.parametrize("length", [1, 2, 6])
def test_histories_of_other_lengths(length: int) -> None:
    actions = [ActionEvent(ns, ns, "expert", BINS) for ns in (1, 2, 3)]
    steps, _ = control_steps(
        actions, [], pair_stamps_ns=[1, 2, 3], instruction="go", history=length
    )
    newest = [3, 2, 1, 1, 1, 1]
    assert steps[-1].frames_ns == tuple(newest[:length])


def test_steps_without_an_instruction_are_counted() -> None:
    actions = [ActionEvent(5, 1, "expert", BINS)]
    steps, lost = control_steps(actions, [], pair_stamps_ns=[1])
    assert (steps, sum(lost.values())) == ([], 1)
    steps, _ = control_steps(actions, [], pair_stamps_ns=[1], instructions=[(0, "go")])
    assert [step.instruction for step in steps] == ["go"]


def test_a_stamp_of_zero_is_no_frame_unless_a_clock_started_there() -> None:
    actions = [ActionEvent(ns, 0, "policy", BINS) for ns in (300 * MS, 500 * MS)]
    answers = [AnswerEvent(300 * MS, 0, "unrelated", "go", False)]
    pairs = [k * 100 * MS for k in range(1, 6)]
    steps, lost = control_steps(actions, answers, pair_stamps_ns=pairs, instruction="go")
    assert [step.frames_ns[0] for step in steps] == [300 * MS, 500 * MS]
    assert not lost
    steps, _ = control_steps(actions[:1], answers, pair_stamps_ns=[0, *pairs], instruction="go")
    assert [(step.frames_ns, step.text) for step in steps] == [((0,) * 4, "unrelated")]


def test_refused_actions_are_seen_but_not_learned() -> None:
    actions = [
        ActionEvent(1, 1, "policy", BINS),
        ActionEvent(2, 2, "policy", BINS, refused=True),
        ActionEvent(3, 3, "policy", BINS),
        ActionEvent(3, 3, "teleop", BINS, refused=True),
    ]
    steps, lost = control_steps(actions, [], pair_stamps_ns=[1, 2, 3], instruction="go", history=3)
    assert [step.frames_ns for step in steps] == [(1, 1, 1), (3, 2, 1)]
    assert list(lost.values()) == [2]
