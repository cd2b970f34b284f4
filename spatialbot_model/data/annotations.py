"""What a demonstrator would have answered about frames of a bag, to its instruction and to others.

One frame with several instructions teaches to listen: what differs between them is the words alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.message_fields import stamp_ns_of

WAYPOINT_NUMBERS = (2, 4)
"""Pick and place; x, y, z [m] and heading [rad] of the tool in `fr3_link0`."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Of one episode, A of them, in the order of its steps and of the bag.

    Attributes:
        steps: (A,) int32, number of the control step whose newest frame it is about.
        waypoints: (A, 2, 4) float32, where the tool will grasp and let go; NaN where that is over
            or not known.
        instructions, texts: what was asked, and the answer in SpatialBot's language.
    """

    steps: NDArray[np.int32]
    waypoints: NDArray[np.float32]
    instructions: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many."""
        return len(self.steps)

    @classmethod
    def none(cls) -> "Annotations":
        """Of an episode that nobody annotated."""
        return cls(np.zeros(0, np.int32), np.zeros((0, *WAYPOINT_NUMBERS), np.float32))


def annotations_of(messages: Iterable[Any], step_of_frame: Mapping[int, int]) -> Annotations:
    """From `spatialbot_msgs/Annotation` messages.

    Args:
        messages: in the order of the bag.
        step_of_frame: step by the stamp of its newest frame [ns]; other frames are no steps.
    """
    found = [
        (step, message)
        for message in messages
        if (step := step_of_frame.get(stamp_ns_of(message.observation_stamp))) is not None
    ]
    found.sort(key=lambda pair: pair[0])
    waypoints = np.full((len(found), *WAYPOINT_NUMBERS), np.nan, np.float32)
    for row, (_, message) in enumerate(found):
        if message.pick_known:
            waypoints[row, 0] = message.pick
        if message.place_known:
            waypoints[row, 1] = message.place
    return Annotations(
        np.array([step for step, _ in found], np.int32),
        waypoints,
        tuple(str(message.instruction) for _, message in found),
        tuple(str(message.text) for _, message in found),
    )
