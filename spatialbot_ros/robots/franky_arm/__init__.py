"""Franka FR3 through franky and libfranka; the only package that imports franky.

Facts about franky that shape these files: motions are single-use; the control type cannot
change while one runs; errors of a running motion surface at the next poll; not every
exception derives from `franky.Exception`; after a network error the objects are dead and
have to be built again; a second client of a robot is kept waiting without an error.
"""

from spatialbot_model.contracts.errors import MissingDependencyError

try:
    import franky  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(
        f"the robot needs the package franky-control ({error}); run `make setup`, or"
        " `pip install franky-control`"
    ) from error

from spatialbot_ros.robots.franky_arm.arm import FrankyArm
from spatialbot_ros.robots.franky_arm.config import FrankyConfig
from spatialbot_ros.robots.franky_arm.connection import GRIPPER_PORT, ROBOT_PORT

__all__ = ["GRIPPER_PORT", "ROBOT_PORT", "FrankyArm", "FrankyConfig"]
