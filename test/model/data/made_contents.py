"""Episodes made of numbers, for the tests of dataset formats; no bag, no ROS."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.contracts.episode_contents import EpisodeContents, Steps, StoredMessage
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

WIDTH, HEIGHT = 64, 48
CAMERA = CameraIntrinsics(WIDTH, HEIGHT, 61.5, 61.25, 32.0, 24.0, (0.1, -0.2, 0.0, 0.0, 1 / 3))
JOINTS = ("fr3_joint1", "fr3_joint2", "fr3_joint3")
FIRST_NS, FRAME_NS = 5_000_000_123, 33_333_337
"""A camera at 30 Hz whose clock is no multiple of anything."""


def color_of(seed: int, k: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([4 * x % 256, 5 * y % 256, (3 * x + 7 * k + seed) % 256], -1).astype(np.uint8)


def depth_of(seed: int, k: int) -> np.ndarray:
    depth = np.random.default_rng([seed, k]).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    depth[0, 0], depth[0, 1] = 0, 65535
    return depth


def make_contents(
    seed: int = 0,
    num_steps: int = 4,
    *,
    label: str = "success",
    instruction: str = "put the red cube on the left board",
    spec: ActionSpec | None = None,
    camera: CameraIntrinsics = CAMERA,
    joints: tuple[str, ...] = JOINTS,
) -> EpisodeContents:
    """Every third frame is a step's; the other frames lie between."""
    spec = spec or ActionSpec()
    random = np.random.default_rng(seed)
    stamps = FIRST_NS + FRAME_NS * np.arange(3 * num_steps)
    capture = stamps[::3].astype(np.int64)
    bins = random.integers(0, 101, (num_steps, 7))
    bins[:, 6] = 100 * (np.arange(num_steps) % 2)
    values = (bins - 50) / 50 * np.append(spec.high[:6], 1.0)

    def frames() -> Iterator[RgbdFrame]:
        for k, stamp in enumerate(stamps):
            color = np.ascontiguousarray(color_of(seed, k)[: camera.height, : camera.width])
            depth = np.ascontiguousarray(depth_of(seed, k)[: camera.height, : camera.width])
            yield RgbdFrame(int(stamp), color, depth, camera)

    return EpisodeContents(
        name=f"pick_place_seed{seed}",
        metadata=EpisodeMetadata(
            task="pick_place",
            instruction=instruction,
            action_spec=spec.to_mapping(),
            seed=seed,
            label=label,
            robot="double",
            camera="made",
            software_version="0.0.test",
            start_ns=FIRST_NS,
            stop_ns=int(stamps[-1]) if num_steps else FIRST_NS,
        ),
        intrinsics=camera,
        joint_names=joints,
        image_frame_id="camera_color_optical_frame",
        steps=Steps(
            capture_ns=capture,
            observed_ns=capture,
            sent_ns=capture + 12_345_678,
            sequence=np.arange(1, num_steps + 1),
            source=tuple("expert" if k % 2 else "policy" for k in range(num_steps)),
            bins=bins.astype(np.int64),
            translation_m=values[:, :3],
            rotation_rad=values[:, 3:6],
            gripper_closed=bins[:, 6] >= 50,
            ee_pose=random.normal(size=(num_steps, 7)),
            ee_ns=capture - 1,
            joint_position=random.normal(size=(num_steps, len(joints))),
            joint_ns=capture - 2,
            gripper_width_m=random.random(num_steps),
            gripper_command_closed=random.random(num_steps) > 0.5,
            gripper_ns=capture - 3,
            policy_text=tuple(f"Ω answer {k}" if k else "" for k in range(num_steps)),
        ),
        messages=tuple(
            StoredMessage(f"/topic{k % 3}", FIRST_NS + k, random.bytes(40 + k)) for k in range(9)
        ),
        type_hashes={f"/topic{k}": f"RIHS01_{k}" for k in range(3)},
        frames=frames,
        num_frames=3 * num_steps,
    )


def assert_same(a: EpisodeContents, b: EpisodeContents, *, color_too: bool = True) -> None:
    """Everything equal to the last bit (colour where the format promises it)."""
    for name in ("name", "metadata", "intrinsics", "joint_names", "image_frame_id", "messages"):
        assert getattr(a, name) == getattr(b, name), name
    assert dict(a.type_hashes) == dict(b.type_hashes)
    for name in Steps.__dataclass_fields__:
        x: Any = getattr(a.steps, name)
        y: Any = getattr(b.steps, name)
        if isinstance(x, tuple):
            assert x == y, name
        else:
            assert x.dtype == y.dtype and np.array_equal(x, y), name
    assert a.num_frames == b.num_frames
    for f, g in zip(a.frames(), b.frames(), strict=True):
        assert f.stamp_ns == g.stamp_ns
        assert np.array_equal(f.depth_mm, g.depth_mm)
        if color_too:
            assert np.array_equal(f.color, g.color)
