"""A recorded scene as if it stood the other way round: left is right, nothing else changes.

The mirror stands upright in the colour camera, so that the mirrored scene seen by the same camera
is the picture turned left to right. That holds for a camera that looks along the base's x axis,
however much down. The arm of the picture then stands beside its base by twice the camera's y.
"""

import re

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.contracts.errors import ConfigurationError

_ALONG_X = 1e-3
_FLIPPED_BINS = [ACTION_NAMES.index(name) for name in ("dy", "droll", "dyaw")]
_POSES_IN_STATE = (0, 11)
_SIGNS_OF_ROTATION = np.array([1, -1, 1, -1, 1, -1], np.float32)
"""Of the first two columns of a rotation R that becomes diag(1, -1, 1) R diag(1, -1, 1)."""
_SIDES = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


def mirror_y_m(T_base_camera: NDArray[np.float64]) -> float:
    """Where the mirror stands: y [m] of the camera (4, 4) in the base frame.

    Raises:
        ConfigurationError: the pose is not known, or the camera looks to a side.
    """
    if not np.isfinite(T_base_camera).all():
        raise ConfigurationError(
            "an episode without the camera's pose on /tf_static cannot be mirrored: set"
            " data.mirrored=false"
        )
    across = T_base_camera[:3, 0]
    if abs(abs(across[1]) - 1.0) > _ALONG_X:
        raise ConfigurationError(
            f"a camera whose picture's x axis is {across.tolist()} in the base frame sees no"
            " mirrored scene; expected one along the base's y axis: set data.mirrored=false"
        )
    return float(T_base_camera[1, 3])


def mirrored_instruction(text: str) -> str:
    """The words for sides exchanged; everybody's point of view turns alike."""
    return re.sub(r"[Ll]eft|[Rr]ight", lambda found: _SIDES[found.group()], text)


def mirrored_states(states: NDArray[np.float32], y_m: float) -> NDArray[np.float32]:
    """(N, 21) of `RobotState.vector` in a mirror at y [m]."""
    mirrored = states.copy()
    for first in _POSES_IN_STATE:
        mirrored[:, first + 1] = 2.0 * y_m - states[:, first + 1]
        mirrored[:, first + 3 : first + 9] *= _SIGNS_OF_ROTATION
    return mirrored


def mirrored_bins(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 7) actions in a mirror; rows of negative numbers, which are no actions, stay."""
    mirrored = bins.copy()
    acts = bins[:, 0] >= 0
    for column in _FLIPPED_BINS:
        mirrored[acts, column] = NUM_BINS - 1 - bins[acts, column]
    return mirrored


def mirrored_poses(poses: NDArray[np.float32], y_m: float) -> NDArray[np.float32]:
    """(.., 4) of x, y, z [m] and heading [rad] in a mirror at y [m]."""
    mirrored = poses.copy()
    mirrored[..., 1] = 2.0 * y_m - poses[..., 1]
    mirrored[..., 3] = -poses[..., 3]
    return mirrored
