"""The funnel through which the expert's tool goes down: how high it stays how far from its goal.

What imitates the expert knows where things are to some millimetres. So the expert's answers change
gradually with the place, nowhere from going down to going up within less than that: wide above the
thing, and as narrow as the open fingers need it beside the thing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RIM_M = 0.010
"""Over so much more of distance the throat is left."""
_STEEPNESS = 2.0
"""Height per distance above the throat."""
_LEAVING_M = 0.02
"""Beyond the rim, what is inside comes up over this much of distance."""
_SETTING_OFF_M = 0.03
"""Below the height that is wished, sideways motion begins over this much of height ..."""
_LOW_M = 0.04
"""... from this far below on."""
_FAR_M = 0.10
"""A way ahead is not seen further than this, so that height and distance are gained together."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """Around the vertical above a goal.

    Attributes:
        radius_m: this far from the vertical the tool may go all the way down.
        throat_m: height above the goal up to which the funnel is hardly wider than that.
    """

    radius_m: float
    throat_m: float

    def height_m(self, away_m: float) -> float:
        """Least height above the goal at a distance from its vertical; continuous, monotonous."""
        rim = min(1.0, max(0.0, (away_m - self.radius_m) / _RIM_M))
        outside_m = max(0.0, away_m - self.radius_m - _RIM_M)
        return rim * self.throat_m + _STEEPNESS * outside_m

    def height_from(self, above_m: float, away_m: float) -> float:
        """The same for a tool at a height; a little outside it goes back inside as low as it is.

        Rising would undo what was right if the distance is misjudged by some millimetres.
        """
        height_m = self.height_m(away_m)
        if above_m >= height_m:
            return height_m
        share = min(1.0, max(0.0, (away_m - self.radius_m - _RIM_M) / _LEAVING_M))
        return above_m + share * (height_m - above_m)


def way_through(
    here_m: NDArray[np.float64], goal_xy_m: NDArray[np.float64], height_m: float
) -> NDArray[np.float64]:
    """(3,) where to go: towards a place and to a height; what is too low rises first.

    Args:
        here_m: (3,) position now.
        goal_xy_m: (2,).
        height_m: wished, in the same frame as `here_m`.
    """
    way_m = goal_xy_m - here_m[:2]
    distance_m = float(np.hypot(*way_m))
    share = min(1.0, max(0.0, (here_m[2] - height_m + _LOW_M) / _SETTING_OFF_M))
    seen = min(1.0, share * _FAR_M / max(distance_m, 1e-9))
    return np.array([*(here_m[:2] + way_m * seen), height_m])
