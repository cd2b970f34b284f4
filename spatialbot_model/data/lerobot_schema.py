"""The layout of a LeRobot dataset, version 3.0, and what is kept beside it.

Documented by LeRobot: ``meta/info.json``, ``meta/stats.json``, ``meta/tasks.parquet``,
``meta/episodes/``, ``data/`` (Parquet, many episodes a file) and ``videos/<key>/`` (MP4, many
episodes a file). Every column of ``data/`` is declared under ``features`` in info.json.

LeRobot's ``timestamp`` is frame_index / fps by definition; the camera's own stamps are in
``capture_ns``. Its videos hold 8 bits a channel, so that exact depth lies beside them, one
FFV1 file an episode (16 bits, millimetres), and each row carries the SHA-256 of its depth
image. Everything else that was recorded lies in ``extras/``; LeRobot ignores what it does not
know.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spatialbot_model.contracts.action_spec import ACTION_NAMES
from spatialbot_model.contracts.episode_contents import state_names
from spatialbot_model.data.step_columns import STEP_COLUMNS
from spatialbot_model.data.video import VideoCodec

CODEBASE_VERSION = "v3.0"
CHUNKS_SIZE = 1000
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
COLOR_KEY = "observation.images.color"
OUR_KEY = "spatialbot"
"""In info.json: what LeRobot has no place for."""

INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{_FILE}.parquet"
DATA_PATH = f"data/{_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{_FILE}.mp4"

_EPISODE = "chunk-{chunk_index:03d}/episode-{episode_index:06d}"
DEPTH_PATH = f"depth/{_EPISODE}.mkv"
MESSAGES_PATH = f"extras/messages/{_EPISODE}.parquet"
BETWEEN_COLOR_PATH = f"extras/frames/{_EPISODE}_color.mkv"
BETWEEN_DEPTH_PATH = f"extras/frames/{_EPISODE}_depth.mkv"

DEPTH_HASH, COLOR_HASH = "depth_sha256", "color_sha256"

_INDEX_COLUMNS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
    "next.reward": "float32",
    "next.done": "bool",
}


def episode_file(template: str, episode_index: int) -> str:
    """Path of an episode's own file."""
    return template.format(chunk_index=episode_index // CHUNKS_SIZE, episode_index=episode_index)


def features(
    joint_names: Sequence[str], height: int, width: int, codec: VideoCodec, fps: int
) -> dict[str, dict[str, Any]]:
    """``features`` of info.json: every column of data/ and the video."""
    state, action = state_names(joint_names), list(ACTION_NAMES)
    declared: dict[str, dict[str, Any]] = {
        COLOR_KEY: {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.codec": codec.codec,
                "video.pix_fmt": codec.pix_fmt,
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            },
        },
        "observation.state": {"dtype": "float32", "shape": [len(state)], "names": state},
        "action": {"dtype": "float32", "shape": [len(action)], "names": action},
    }
    for column in STEP_COLUMNS:
        shape = column.shape(len(joint_names)) or (1,)
        declared[column.name] = {
            "dtype": column.dtype,
            "shape": list(shape),
            "names": column.names_of(joint_names),
        }
    for name in (DEPTH_HASH, COLOR_HASH):
        declared[name] = {"dtype": "string", "shape": [1], "names": None}
    for name, dtype in _INDEX_COLUMNS.items():
        declared[name] = {"dtype": dtype, "shape": [1], "names": None}
    return declared


def data_schema(declared: dict[str, dict[str, Any]]) -> pa.Schema:
    """Arrow schema of data/ for `features`."""
    fields = []
    for name, feature in declared.items():
        if feature["dtype"] == "video":
            continue
        single = pa.bool_() if feature["dtype"] == "bool" else getattr(pa, feature["dtype"])()
        [length] = feature["shape"]
        # LeRobot reads a shape of (1,) as a plain value
        fields.append(pa.field(name, single if length == 1 else pa.list_(single, length)))
    return pa.schema(fields)
