"""What a language model says: actions and depth calls."""

import numpy as np

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
    format_action_tokens,
    parse_action_text,
    parse_action_tokens,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.depth_tool import answer_depth_calls, parse_depth_calls
from spatialbot_model.contracts.errors import ActionParseError, DepthQueryError
from spatialbot_ros.benchmarks.fuzzing.targets import ACCEPTED, FuzzTarget

_BINS = (17, 51, 44, 62, 83, 7, 100)


class ActionTarget(FuzzTarget):
    """Both parsers of answers: never two actions, never a bin that does not come back."""

    def seeds(self) -> list[bytes]:
        action = DeltaAction(_BINS)
        texts = (
            format_action_text(action),
            format_action_tokens(action),
            "Depth(0.51,0.40)\nAPI: Depth(0.51,0.40)=584\n" + format_action_text(action),
            "<0, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 1>",
            "[0, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0]",
            FINISHED_TEXT,
        )
        return [text.encode() for text in texts]

    def words(self) -> list[bytes]:
        return [b"The robot should <", b"<act_100>", b"<act_101>", b", 0.50", b"1.00", b">."]

    def check(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        outcome = ActionParseError.__name__
        spec = ActionSpec()
        for parse, write in (
            (parse_action_text, format_action_text),
            (parse_action_tokens, format_action_tokens),
        ):
            try:
                action = parse(text, spec)
            except ActionParseError as error:
                assert str(error)
                continue
            outcome = ACCEPTED
            if isinstance(action, DeltaAction):
                assert parse(write(action), spec) == action
        return outcome


class DepthToolTarget(FuzzTarget):
    """Strict parsing raises the declared error; answering never raises."""

    def seeds(self) -> list[bytes]:
        return [
            b"Depth(0.51,0.40)",
            b"Depth(0.5, 0.715) and Depth(1.0,0)\nThe robot has finished.",
            b"How far? Depth(1.20,0.40)",
        ]

    def words(self) -> list[bytes]:
        return [b"Depth(", b"0.5", b",", b")", b"1.0000001", b"API: "]

    def check(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        depth_mm = np.arange(12, dtype=np.uint16).reshape(3, 4)
        turn, answers = answer_depth_calls(text, depth_mm)
        assert len(answers) <= len(turn.splitlines()) <= text.count("Depth(")
        assert all(answer.depth_mm is None or answer.depth_mm < 12 for answer in answers)
        try:
            calls = parse_depth_calls(text)
        except DepthQueryError:
            return DepthQueryError.__name__
        assert all(0.0 <= v <= 1.0 for call in calls for v in call)
        return ACCEPTED
