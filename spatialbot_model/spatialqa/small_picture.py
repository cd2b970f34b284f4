"""Pictures at a fraction of their size, with everything that is known about them."""

from dataclasses import replace

import cv2
import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene, SceneObject, mask_box_px
from spatialbot_model.contracts.errors import ConfigurationError

_LEAST_PX = 24


def shrink(scene: AnnotatedScene, factor: int) -> AnnotatedScene:
    """Colour averaged, depth and masks of every n-th pixel: no depth is made up.

    Things that show too little then are left out, and their category is not counted. Objects need
    masks.

    Raises:
        ConfigurationError: a factor below 1, or an object without a mask.
    """
    if factor < 1:
        raise ConfigurationError(f"a factor of {factor}; expected 1 or more")
    if factor == 1:
        return scene
    kept: dict[int, SceneObject] = {}
    lost: set[str] = set()
    for index, thing in enumerate(scene.objects):
        if thing.mask is None:
            raise ConfigurationError(f"{scene.id}: the {thing.name} has no mask to shrink")
        mask = np.ascontiguousarray(thing.mask[::factor, ::factor])
        if np.count_nonzero(mask) < _LEAST_PX:
            lost.add(thing.category)
            continue
        kept[index] = replace(thing, mask=mask, box_px=mask_box_px(mask))
    number = {index: k for k, index in enumerate(kept)}
    contacts = scene.contacts
    if contacts is not None:
        contacts = frozenset(
            (number[a], number[b]) for a, b in contacts if a in number and b in number
        )
    depth_mm = scene.depth_mm
    height_px, width_px = scene.rgb[::factor, ::factor].shape[:2]
    return replace(
        scene,
        rgb=cv2.resize(scene.rgb, (width_px, height_px), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        ),
        depth_mm=None if depth_mm is None else np.ascontiguousarray(depth_mm[::factor, ::factor]),
        objects=tuple(kept.values()),
        counted=scene.counted - lost,
        contacts=contacts,
        hand=number.get(scene.hand) if scene.hand is not None else None,
        intrinsics=None,
        rgb_file=None,
    )
