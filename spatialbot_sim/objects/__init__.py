"""Things on the table: procedural and low-poly, so nothing is shipped and drawing stays cheap."""

from spatialbot_sim.objects.furniture import add_board, add_container, add_obstacle
from spatialbot_sim.objects.grasps import Grasp, grasp_of, grasps_of
from spatialbot_sim.objects.kinds import (
    BALL_RADIUS_M,
    COLORS,
    CUBE_HALF_M,
    CUP_HEIGHT_M,
    CUP_RADIUS_M,
    CUP_WALL_M,
    PAINTS,
    SIZES,
    WIDEST_GRASP_M,
    ObjectKind,
    Size,
    extent_of,
    rest_height_m,
)
from spatialbot_sim.objects.shapes import add_object
from spatialbot_sim.objects.sheets import SHEET_THICKNESS_M, add_sheet, sheet_rectangle_m
from spatialbot_sim.objects.types import (
    BOARD_HALF_M,
    CONTAINER_HALF_M,
    ContainerKind,
    ObstacleKind,
    PlacedBoard,
    PlacedContainer,
    PlacedObject,
    PlacedObstacle,
    PlacedPrint,
    Side,
)

__all__ = [
    "BALL_RADIUS_M",
    "BOARD_HALF_M",
    "COLORS",
    "CONTAINER_HALF_M",
    "CUBE_HALF_M",
    "CUP_HEIGHT_M",
    "CUP_RADIUS_M",
    "CUP_WALL_M",
    "PAINTS",
    "SHEET_THICKNESS_M",
    "SIZES",
    "WIDEST_GRASP_M",
    "ContainerKind",
    "Grasp",
    "ObjectKind",
    "ObstacleKind",
    "PlacedBoard",
    "PlacedContainer",
    "PlacedObject",
    "PlacedObstacle",
    "PlacedPrint",
    "Side",
    "Size",
    "add_board",
    "add_container",
    "add_object",
    "add_obstacle",
    "add_sheet",
    "extent_of",
    "grasp_of",
    "grasps_of",
    "rest_height_m",
    "sheet_rectangle_m",
]
