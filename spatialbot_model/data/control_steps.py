"""Which control steps an episode holds and which frames its policy saw at each of them.

Pure: events and stamps in, steps out. A policy, an expert or a remote model answers about one
frame per step (`PolicyStep`, `DeltaAction`), and its history is the frames of the steps before it
in the same instruction, held and refused answers included, as `FrameHistory` in the VLA node
has them. Teleoperation looks at no frames; its history is what a policy at the control rate
would have seen: the newest frame and those whole periods before it.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

TELEOP_SOURCE = "teleop"
NOISE_SOURCE = "noise"

_PERIOD_TOLERANCE = 0.25
_NO_FRAME = "its frame, or one before it, is not in the bag"
_REFUSED = "the executor refused its action"


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One recorded DeltaAction.

    Attributes:
        stamp_ns: when it was emitted [ROS time].
        observation_ns: stamp of its frame, 0 when it was made from none.
        source: policy, teleop, expert or noise.
        bins: (7,) 0..100.
        refused: the executor did not follow it, e.g. because a person had the arm.
    """

    stamp_ns: int
    observation_ns: int
    source: str
    bins: tuple[int, ...]
    refused: bool = False


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """One recorded PolicyStep.

    Attributes:
        stamp_ns: when the answer was there [ROS time].
        observation_ns: stamp of the newest frame it is about.
        text: the answer; of an expert the clean one, also where noise was added to the action.
        instruction: may be empty.
        finished: the instruction ends with it.
    """

    stamp_ns: int
    observation_ns: int
    text: str
    instruction: str
    finished: bool


@dataclass(frozen=True, slots=True)
class ControlStep:
    """One step that can be learned from.

    Attributes:
        stamp_ns: when it was answered [ROS time].
        frames_ns: stamps of the frames seen, newest first, padded by repeating the oldest.
        source: of the action, ``policy`` for an end without one.
        bins: (7,) action taken, None where the instruction ended.
        text: the answer as recorded, empty when there is none.
        instruction: what the robot was asked to do.
    """

    stamp_ns: int
    frames_ns: tuple[int, ...]
    source: str
    bins: tuple[int, ...] | None
    text: str
    instruction: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the policy's stream: one frame, perhaps an answer, perhaps actions."""

    stamp_ns: int
    observation_ns: int
    answer: AnswerEvent | None
    actions: tuple[ActionEvent, ...]


def control_steps(
    actions: Iterable[ActionEvent],
    answers: Iterable[AnswerEvent],
    *,
    pair_stamps_ns: Sequence[int],
    instructions: Iterable[tuple[int, str]] = (),
    instruction: str = "",
    history: int = 4,
    period_ns: int = 100_000_000,
) -> tuple[list[ControlStep], Counter[str]]:
    """Put the events of one episode together.

    Args:
        pair_stamps_ns: stamps of complete colour-depth pairs, ascending.
        instructions: (log time [ns], text) of the instructions that were started.
        instruction: of the whole episode, where a step has none of its own.
        history: frames per step.
        period_ns: control period, for teleoperation.

    Returns:
        The steps in order of their frames, and how many could not be used, by reason.
    """
    pairs = set(pair_stamps_ns)
    lost: Counter[str] = Counter()
    actions = sorted(actions, key=lambda event: (event.observation_ns, event.stamp_ns))
    # a stamp of 0 says that no frame was looked at, unless a clock really started there
    own = [e for e in actions if e.source != TELEOP_SOURCE and (e.observation_ns or 0 in pairs)]
    own_ids = set(map(id, own))
    by_time = [event for event in actions if id(event) not in own_ids]
    answers = [event for event in answers if event.observation_ns or 0 in pairs]
    texts = sorted(instructions)
    steps: list[ControlStep] = []
    for segment in _segments(_stream(own, answers), [stamp_ns for stamp_ns, _ in texts]):
        seen: list[int] = []
        for step in segment:
            seen = [step.observation_ns, *seen][:history]
            padded = (*seen, *[seen[-1]] * (history - len(seen)))
            asked = step.answer.instruction if step.answer is not None else ""
            asked = asked or instruction or _latest(texts, step.stamp_ns)
            for learned in _learned(step, padded, asked, lost):
                if pairs.issuperset(padded):
                    steps.append(learned)
                else:
                    lost[_NO_FRAME] += 1
    for event in by_time:
        if event.refused:
            lost[_REFUSED] += 1
            continue
        frames = _frames_by_time(event, pair_stamps_ns, pairs, history, period_ns)
        if frames:
            asked = instruction or _latest(texts, event.stamp_ns)
            steps.append(ControlStep(event.stamp_ns, frames, event.source, event.bins, "", asked))
        else:
            lost[_NO_FRAME] += 1
    usable = [step for step in steps if step.instruction.strip()]
    lost["it has no instruction"] += len(steps) - len(usable)
    return sorted(usable, key=lambda step: (step.frames_ns[0], step.stamp_ns)), +lost


def _stream(actions: Iterable[ActionEvent], answers: Iterable[AnswerEvent]) -> list[_Step]:
    """Answers and their actions by the frame they are about, which is newer at each step."""
    by_frame: dict[int, AnswerEvent] = {}
    for answer in sorted(answers, key=lambda event: event.stamp_ns):
        # an answer that came late and was refused does not replace the one acted on
        by_frame.setdefault(answer.observation_ns, answer)
    acted: Mapping[int, list[ActionEvent]] = defaultdict(list)
    for action in actions:
        acted[action.observation_ns].append(action)
    steps = []
    for observation_ns in sorted({*by_frame, *acted}):
        done = tuple(acted.get(observation_ns, ()))
        found = by_frame.get(observation_ns)
        stamp_ns = done[0].stamp_ns if done else found.stamp_ns if found else 0
        steps.append(_Step(stamp_ns, observation_ns, found, done))
    return steps


def _segments(steps: list[_Step], started_ns: list[int]) -> list[list[_Step]]:
    """Split where an instruction starts, because the history is empty then.

    It starts with its message, but that may be recorded after the first answer; so an end or
    another text starts one too, and the message that belongs to it starts no second.
    """
    segments: list[list[_Step]] = []
    num_started = 0
    ended = False
    text = ""
    for step in steps:
        num_messages = bisect_right(started_ns, step.stamp_ns)
        asked = step.answer.instruction if step.answer is not None else ""
        changed = ended or bool(text and asked and asked != text)
        if not segments or changed or num_messages > num_started:
            segments.append([])
            num_started = max(num_started + 1, num_messages)
        segments[-1].append(step)
        text = asked or text
        # an expert may say so while noise still moves the arm
        ended = step.answer is not None and step.answer.finished and not step.actions
    return segments


def _learned(
    step: _Step, frames_ns: tuple[int, ...], instruction: str, lost: Counter[str]
) -> Iterable[ControlStep]:
    text = step.answer.text if step.answer is not None else ""
    for action in step.actions:
        if action.refused:
            lost[_REFUSED] += 1
            continue
        if action.source == NOISE_SOURCE and not text:
            lost["it is noise without the answer that would have been right"] += 1
            continue
        yield ControlStep(action.stamp_ns, frames_ns, action.source, action.bins, text, instruction)
    if not step.actions and step.answer is not None and step.answer.finished:
        yield ControlStep(step.stamp_ns, frames_ns, "policy", None, text, instruction)


def _frames_by_time(
    event: ActionEvent,
    stamps_ns: Sequence[int],
    pairs: set[int],
    history: int,
    period_ns: int,
) -> tuple[int, ...]:
    """Frames at the event and whole periods before it; empty when its own is lost."""
    if event.observation_ns and event.observation_ns not in pairs:
        return ()
    newest_ns = event.observation_ns if event.observation_ns in pairs else event.stamp_ns
    index = bisect_right(stamps_ns, newest_ns) - 1
    if index < 0:
        return ()
    frames = [stamps_ns[index]]
    for age in range(1, history):
        wanted_ns = frames[0] - age * period_ns + round(_PERIOD_TOLERANCE * period_ns)
        index = min(bisect_right(stamps_ns, wanted_ns), index) - 1
        if index < 0:
            break
        frames.append(stamps_ns[index])
    return (*frames, *[frames[-1]] * (history - len(frames)))


def _latest(texts: Sequence[tuple[int, str]], stamp_ns: int) -> str:
    index = bisect_right([started_ns for started_ns, _ in texts], stamp_ns) - 1
    return texts[index][1] if index >= 0 else ""
