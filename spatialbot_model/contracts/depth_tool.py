"""The depth tool: `Depth(x,y)` calls in a reply and their answers in millimetres.

x and y are fractions of the original image, not of a resized or padded one. A model
calls ``Depth(0.51,0.40)``; the answer turn is ``API: Depth(0.51,0.40)=584``.
"""

import math
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import DepthQueryError
from spatialbot_model.contracts.types import DepthAnswer

NEIGHBOURHOOD_PX = 5
"""Side of the square whose median stands in for a pixel without a return."""

INVALID_CALL_LINE = "API: invalid call"
"""Answers a call that cannot be read."""

_LONGEST_CALL = 40
_CALL = re.compile(r"\bDepth\(([^()]*)\)?")
_ARGUMENTS = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*,\s*([0-9]+(?:\.[0-9]+)?)\s*")


def parse_depth_calls(text: str) -> tuple[tuple[float, float], ...]:
    """All `Depth(x,y)` calls of one reply, in order; empty when there is none.

    Each argument is read as a whole or not at all: ``Depth(0.5, 0.715)`` is (0.5, 0.715).

    Raises:
        DepthQueryError: a call that is not two plain decimal numbers in [0, 1], or that is
            not closed; quotes it.
    """
    calls = []
    for match in _CALL.finditer(text):
        arguments = _ARGUMENTS.fullmatch(match[1]) if match[0].endswith(")") else None
        if arguments is None:
            raise DepthQueryError(
                f"malformed depth call {match[0][:60]!r}; expected Depth(x,y) with two decimal"
                " numbers between 0 and 1, such as Depth(0.51,0.40)"
            )
        x, y = float(arguments[1]), float(arguments[2])
        _check_inside(x, y)
        calls.append((x, y))
    return tuple(calls)


def point_to_pixel(x: float, y: float, width_px: int, height_px: int) -> tuple[int, int]:
    """Column and row of a normalised point: ``min(int(x * width_px), width_px - 1)``.

    So pixel column u covers x in [u / width_px, (u + 1) / width_px), and 1.0 is the last one.

    Raises:
        DepthQueryError: the point is not finite or lies outside [0, 1].
    """
    _check_inside(x, y)
    return min(int(x * width_px), width_px - 1), min(int(y * height_px), height_px - 1)


def lookup_depth(depth_mm: NDArray[np.unsignedinteger], x: float, y: float) -> DepthAnswer:
    """Depth at a normalised point of an image.

    A pixel without a return (0) answers with the median of the valid pixels in the 5x5
    square around it, cut at the image border, else with None. Of an even number of valid
    pixels the lower middle one is taken, so that every answer was measured.

    Args:
        depth_mm: (H, W) unsigned millimetres, 0 = no return.
        x, y: fractions of image width and height.

    Raises:
        DepthQueryError: the point is outside the image, or the image is no depth image.
    """
    check_depth_image(depth_mm)
    height_px, width_px = depth_mm.shape
    u_px, v_px = point_to_pixel(x, y, width_px, height_px)
    value = int(depth_mm[v_px, u_px])
    if value == 0:
        reach = NEIGHBOURHOOD_PX // 2
        square = depth_mm[max(v_px - reach, 0) : v_px + reach + 1]
        square = square[:, max(u_px - reach, 0) : u_px + reach + 1]
        valid = np.sort(square[square > 0])
        if valid.size == 0:
            return DepthAnswer(x, y, None)
        value = int(valid[(valid.size - 1) // 2])
    return DepthAnswer(x, y, value)


def answer_depth_calls(
    text: str, depth_mm: NDArray[np.unsignedinteger]
) -> tuple[str, tuple[DepthAnswer, ...]]:
    """Answer every `Depth(x,y)` call of a model's reply; a bad call never raises.

    Args:
        depth_mm: (H, W) unsigned millimetres, 0 = no return: the frame that the model saw.

    Returns:
        The answer turn, one line a call, empty without calls; and the answers. A point outside
        the image reads ``API: Depth(1.20,0.40)=invalid``, a malformed call ``API: invalid call``
        and counts as no answer.

    Raises:
        DepthQueryError: the image is no depth image.
    """
    lines, answers = [], []
    for match in _CALL.finditer(text):
        numbers = _ARGUMENTS.fullmatch(match[1]) if match[0].endswith(")") else None
        if numbers is None or len(match[0]) > _LONGEST_CALL:
            lines.append(INVALID_CALL_LINE)
            continue
        x, y = float(numbers[1]), float(numbers[2])
        inside = max(x, y) <= 1.0
        answer = lookup_depth(depth_mm, x, y) if inside else DepthAnswer(x, y, None)
        answers.append(answer)
        lines.append(format_answers([answer]))
    return "\n".join(lines), tuple(answers)


def format_call(x: float, y: float) -> str:
    """``Depth(0.51,0.40)``: at least two decimals, more only where the value needs them."""
    return f"Depth({_format_fraction(x)},{_format_fraction(y)})"


def format_answers(answers: Iterable[DepthAnswer]) -> str:
    """The answer turn, one ``API: Depth(0.51,0.40)=584`` line per call."""
    return "\n".join(
        f"API: {format_call(answer.x, answer.y)}="
        f"{'invalid' if answer.depth_mm is None else answer.depth_mm}"
        for answer in answers
    )


def check_depth_image(depth_mm: NDArray[np.unsignedinteger]) -> None:
    """Refuse what is no depth image.

    Raises:
        DepthQueryError: not a non-empty (H, W) array of unsigned integers.
    """
    if (
        not isinstance(depth_mm, np.ndarray)
        or depth_mm.ndim != 2
        or depth_mm.size == 0
        or depth_mm.dtype.kind != "u"
    ):
        got = f"{getattr(depth_mm, 'dtype', type(depth_mm).__name__)}"
        raise DepthQueryError(
            f"expected an (H, W) depth image of unsigned millimetres, got {got}"
            f" {getattr(depth_mm, 'shape', '')}"
        )


def _check_inside(x: float, y: float) -> None:
    if not (math.isfinite(x) and math.isfinite(y) and 0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
        raise DepthQueryError(
            f"the point ({x:g}, {y:g}) lies outside the image; x and y are fractions of its width"
            " and height, 0..1"
        )


def _format_fraction(value: float) -> str:
    short = f"{value:.2f}"
    if float(short) == value:
        return short
    # positional, never 1e-05: the answer must be readable by the same grammar
    return str(np.format_float_positional(value, trim="-"))
