"""The real stereo pair of scikit-image, `stereo_motorcycle`, as one picture with depth.

Motorcycle of the Middlebury 2014 stereo data (D. Scharstein, H. Hirschmueller, Y. Kitajima,
G. Krathwohl, N. Nesic, X. Wang, P. Westling: High-resolution stereo datasets with subpixel-accurate
ground truth, GCPR 2014), reduced by four. Depth is computed from the ground-truth disparity of
the left image: z = f B / (d + doffs) with the calibration in scikit-image's documentation.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_model.processing.image_files import read_rgb

LEFT_NAME, DISPARITY_NAME = "motorcycle_left.png", "motorcycle_disp.npz"
FOCAL_PX = 994.978
PRINCIPAL_OFFSET_PX = 31.086
BASELINE_MM = 193.001


def read_stereo_motorcycle(folder: Path | None = None) -> AnnotatedScene:
    """The left picture with depth, 741x500, without objects.

    Args:
        folder: holds scikit-image's `motorcycle_left.png` and `motorcycle_disp.npz`; None asks
            scikit-image, which downloads them once.

    Raises:
        MissingDependencyError: no folder, and no scikit-image that can get them.
        ConfigurationError: the files are not there, or not what they should be.
    """
    if folder is None:
        rgb, disparity_px = _from_scikit_image()
    else:
        rgb = read_rgb(folder / LEFT_NAME)
        path = folder / DISPARITY_NAME
        try:
            with np.load(path, allow_pickle=False) as arrays:
                disparity_px = arrays["arr_0"]
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"cannot read the disparities {path}: {error}") from error
    return AnnotatedScene(
        id="stereo_motorcycle", rgb=rgb, depth_mm=depth_of_disparity(disparity_px)
    )


def depth_of_disparity(disparity_px: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Millimetres along the optical axis, rounded; 0 where there is no disparity."""
    depth_mm = FOCAL_PX * BASELINE_MM / (disparity_px.astype(np.float64) + PRINCIPAL_OFFSET_PX)
    known = np.isfinite(disparity_px) & (depth_mm > 0) & (depth_mm <= np.iinfo(np.uint16).max)
    return np.where(known, np.round(depth_mm), 0).astype(np.uint16)


def _from_scikit_image() -> tuple[NDArray[np.uint8], NDArray[np.floating[Any]]]:
    try:
        from skimage.data import stereo_motorcycle

        left, _, disparity_px = stereo_motorcycle()
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"cannot get the real stereo pair ({error}); `pip install scikit-image pooch` on a"
            f" machine with internet, or give a folder with {LEFT_NAME} and {DISPARITY_NAME}"
        ) from error
    return np.ascontiguousarray(left[..., :3], dtype=np.uint8), disparity_px
