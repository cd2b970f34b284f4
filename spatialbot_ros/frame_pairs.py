"""Pairs colour and aligned depth by stamp. Pure and thread-safe; the newest pair wins.

All images of one frameset carry one stamp (as realsense-ros publishes them), so images belong
together exactly when their stamps are equal. Images whose partner is lost are dropped.
"""

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

_MAX_WAITING = 8


class FramePairs:
    """Collects colour, depth and intrinsics; hands out the newest complete `RgbdFrame`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._color: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._depth_mm: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._intrinsics: CameraIntrinsics | None = None
        self._newest: RgbdFrame | None = None

    def set_intrinsics(self, intrinsics: CameraIntrinsics) -> None:
        """Calibration of the colour image."""
        with self._changed:
            self._intrinsics = intrinsics

    def add_color(self, stamp_ns: int, color: NDArray[np.uint8]) -> None:
        """One colour image (H, W, 3)."""
        self._add(self._color, stamp_ns, color)

    def add_depth(self, stamp_ns: int, depth_mm: NDArray[np.uint16]) -> None:
        """One aligned depth image (H, W) in millimetres."""
        self._add(self._depth_mm, stamp_ns, depth_mm)

    def wait_newer(self, than_ns: int, timeout_s: float) -> RgbdFrame | None:
        """The newest frame with a stamp above `than_ns`; None when none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(than_ns), timeout_s)
            return self._newest if self._is_newer(than_ns) else None

    def newest_stamp_ns(self) -> int:
        """Stamp of the newest complete frame, -1 when there is none."""
        with self._changed:
            return -1 if self._newest is None else self._newest.stamp_ns

    def _is_newer(self, than_ns: int) -> bool:
        return self._newest is not None and self._newest.stamp_ns > than_ns

    def _add(self, waiting: OrderedDict[int, NDArray[Any]], stamp_ns: int, image: Any) -> None:
        with self._changed:
            waiting[stamp_ns] = image
            while len(waiting) > _MAX_WAITING:
                waiting.popitem(last=False)
            if self._intrinsics is None:
                return
            if stamp_ns in self._color and stamp_ns in self._depth_mm:
                self._newest = RgbdFrame(
                    stamp_ns=stamp_ns,
                    color=self._color.pop(stamp_ns),
                    depth_mm=self._depth_mm.pop(stamp_ns),
                    intrinsics=self._intrinsics,
                )
                self._changed.notify_all()
