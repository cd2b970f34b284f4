"""Where the tool will grasp and let go: coordinates, and the 101 bins of each."""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import NUM_BINS

PICK, PLACE = 0, 1
NUM_WAYPOINTS = 2

AXES = ("x", "y", "z", "yaw")
LOW = np.array([0.20, -0.50, 0.0, -1.65])
HIGH = np.array([0.80, 0.50, 0.40, 1.65])
"""Range of the 101 bins of a waypoint's coordinates: metres in `fr3_link0`, and radians."""


def to_bins(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coordinates (.., 4) as real numbers of bins 0 .. 100, clipped."""
    scaled = (poses - LOW) / (HIGH - LOW) * (NUM_BINS - 1)
    bins: NDArray[np.float32] = np.clip(scaled, 0, NUM_BINS - 1).astype(np.float32)
    return bins
