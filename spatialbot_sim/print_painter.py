"""The pictures on printed decoys: what the camera would see of a thing, drawn out onto the sheet.

A picture of the thing as it would stand there goes through the camera's own homography onto the
plane of the table. Seen from the camera it is that picture again; seen from anywhere else, or by a
depth sensor, it is a flat sheet.
"""

import mujoco
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import Matrix, invert, transform_points
from spatialbot_model.contracts.types import CameraIntrinsics


def texel_points_m(model: mujoco.MjModel, sheet: str) -> NDArray[np.float64]:
    """(H, W, 3) where each texel of a sheet's picture lies, in the base frame."""
    body = model.body(sheet).id
    geom = model.body_geomadr[body]
    half_m = model.geom_size[geom]
    texture = model.texture(sheet).id
    height, width = model.tex_height[texture], model.tex_width[texture]
    # MuJoCo lays column 0 at -x and row 0 at +y of a plane
    x_m = ((np.arange(width) + 0.5) / width * 2 - 1) * half_m[0]
    y_m = (1 - (np.arange(height) + 0.5) / height * 2) * half_m[1]
    grid_m = np.stack(np.broadcast_arrays(x_m, y_m[:, None], 0.0), axis=-1)
    return np.asarray(grid_m + model.body_pos[body])


def draw_out(
    picture: NDArray[np.uint8],
    points_m: NDArray[np.float64],
    T_base_color: Matrix,
    intrinsics: CameraIntrinsics,
) -> NDArray[np.uint8]:
    """(H, W, 3) colours of points (H, W, 3) in a picture that the camera took."""
    flat = transform_points(invert(T_base_color), points_m.reshape(-1, 3))
    pixels = intrinsics.project(flat)
    colors = _bilinear(picture, pixels[:, 0], pixels[:, 1])
    return colors.reshape(points_m.shape).round().astype(np.uint8)


def put_on_sheet(model: mujoco.MjModel, sheet: str, colors: NDArray[np.uint8]) -> int:
    """Write a picture into the model; returns the id of the texture, to be uploaded."""
    texture = int(model.texture(sheet).id)
    address = model.tex_adr[texture]
    model.tex_data[address : address + colors.size] = colors.ravel()
    return texture


def _bilinear(
    image: NDArray[np.uint8], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    u, v = np.clip(u, 0, width - 1.001), np.clip(v, 0, height - 1.001)
    column, row = u.astype(int), v.astype(int)
    fu, fv = (u - column)[:, None], (v - row)[:, None]
    pixels = image.astype(np.float64)
    top = pixels[row, column] * (1 - fu) + pixels[row, column + 1] * fu
    bottom = pixels[row + 1, column] * (1 - fu) + pixels[row + 1, column + 1] * fu
    return np.asarray(top * (1 - fv) + bottom * fv)
