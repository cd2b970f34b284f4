"""A tree of static frames: `lookup` composes the chain between any two of them."""

import numpy as np

from spatialbot_model.contracts.transforms import Matrix, invert


class FrameTree:
    """Poses of frames in their parents; a later pose of a frame replaces the earlier one."""

    def __init__(self) -> None:
        self._pose_in_parent: dict[str, tuple[str, Matrix]] = {}

    def set(self, parent: str, child: str, T_parent_child: Matrix) -> None:
        """Put the (4, 4) pose of `child` in `parent`."""
        self._pose_in_parent[child] = (parent, T_parent_child)

    def lookup(self, target: str, source: str) -> Matrix | None:
        """Pose of `source` in `target`, (4, 4), or None while no chain joins them."""
        T_root_target, root_target = self._to_root(target)
        T_root_source, root_source = self._to_root(source)
        if root_target != root_source:
            return None
        return invert(T_root_target) @ T_root_source

    def _to_root(self, frame: str) -> tuple[Matrix, str]:
        T = np.eye(4)
        # the bound ends the walk should somebody publish a loop
        for _ in range(len(self._pose_in_parent) + 1):
            if frame not in self._pose_in_parent:
                break
            frame, T_parent_frame = self._pose_in_parent[frame]
            T = T_parent_frame @ T
        return T, frame
