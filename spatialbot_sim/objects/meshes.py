"""Low-poly meshes made from profiles: revolved about the vertical, or swept along a curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles: vertices (V, 3) [m], faces (F, 3) counter-clockwise from outside."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


def lathe(profile: Sequence[tuple[float, float]], segments: int) -> Mesh:
    """Revolve a (radius, z) profile about z; it starts and ends on the axis, lower end first."""
    rings = [(r, z) for r, z in profile if r > 0]
    angles = 2 * np.pi * np.arange(segments) / segments
    ring_vertices = [
        np.column_stack([r * np.cos(angles), r * np.sin(angles), np.full(segments, z)])
        for r, z in rings
    ]
    poles = np.array([[0.0, 0.0, profile[0][1]], [0.0, 0.0, profile[-1][1]]])
    return Mesh(np.vstack([*ring_vertices, poles]), _ring_faces(len(rings), segments))


def sweep(
    path_m: NDArray[np.float64], radii_m: NDArray[np.float64], segments: int, squash: float = 1.0
) -> Mesh:
    """A tube of changing radius along a curve (N, 3) in a plane z = const, ends closed.

    `squash` makes it flatter (< 1) along z.
    """
    tangents = np.gradient(path_m, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0])
    angles = 2 * np.pi * np.arange(segments) / segments
    rings = []
    for point, tangent, radius in zip(path_m, tangents, radii_m, strict=True):
        side = np.cross(up, tangent)
        rings.append(
            point
            + radius * np.outer(np.cos(angles), side)
            + squash * radius * np.outer(np.sin(angles), up)
        )
    poles = np.array([path_m[0], path_m[-1]])
    return Mesh(np.vstack([*rings, poles]), _ring_faces(len(path_m), segments))


def tube(radius_m: float, low_m: float, high_m: float, segments: int) -> Mesh:
    """The mantle of a cylinder about z, closed at neither end."""
    angles = 2 * np.pi * np.arange(segments) / segments
    ring = np.column_stack([np.cos(angles), np.sin(angles)]) * radius_m
    vertices = np.vstack(
        [np.column_stack([ring, np.full(segments, z_m)]) for z_m in (low_m, high_m)]
    )
    here = np.arange(segments)
    after = (here + 1) % segments
    lower = np.column_stack([here, after, after + segments])
    upper = np.column_stack([here, after + segments, here + segments])
    return Mesh(vertices, np.vstack([lower, upper]))


def _ring_faces(num_rings: int, segments: int) -> NDArray[np.int64]:
    """Faces between neighbouring rings and from the end rings to the two poles after them."""
    first_pole, last_pole = num_rings * segments, num_rings * segments + 1
    faces: list[tuple[int, int, int]] = []
    for k in range(segments):
        n = (k + 1) % segments
        faces.append((first_pole, n, k))
        for ring in range(num_rings - 1):
            a, b = ring * segments, (ring + 1) * segments
            faces += [(a + k, a + n, b + n), (a + k, b + n, b + k)]
        last = (num_rings - 1) * segments
        faces.append((last_pole, last + k, last + n))
    return np.array(faces)
