"""The small tables of a LeRobot dataset: info, tasks, one row for every episode."""

import json
from typing import Any

import pyarrow as pa

from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.episode_sidecar import metadata_to_json
from spatialbot_model.data import lerobot_schema as layout
from spatialbot_model.data.video import VideoCodec

MESSAGE_SCHEMA = pa.schema(
    [("log_time_ns", pa.int64()), ("topic", pa.string()), ("cdr", pa.binary())]
)


def dataset_info(
    first: EpisodeContents,
    declared: dict[str, dict[str, Any]],
    *,
    fps: int,
    codec: VideoCodec,
    num_episodes: int,
    num_rows: int,
    num_tasks: int,
) -> dict[str, Any]:
    """meta/info.json; what every episode shares is taken from the first one."""
    spec = first.metadata.spec
    return {
        "codebase_version": layout.CODEBASE_VERSION,
        "robot_type": first.metadata.robot or None,
        "total_episodes": num_episodes,
        "total_frames": num_rows,
        "total_tasks": num_tasks,
        "chunks_size": layout.CHUNKS_SIZE,
        "data_files_size_in_mb": layout.DATA_FILE_MB,
        "video_files_size_in_mb": layout.VIDEO_FILE_MB,
        "fps": fps,
        "splits": {"train": f"0:{num_episodes}"},
        "data_path": layout.DATA_PATH,
        "video_path": layout.VIDEO_PATH,
        "features": declared,
        layout.OUR_KEY: {
            "action_spec": spec.to_mapping(),
            "action_spec_id": spec.id,
            "color_exact": codec.exact,
            "depth_path": layout.DEPTH_PATH,
            "depth": "FFV1 gray16le, uint16 millimetres aligned to colour, 0 = no return;"
            " frame k of an episode's file belongs to its row k",
            "stamps": "timestamp is frame_index / fps; capture_ns is the camera's own stamp",
            "messages_path": layout.MESSAGES_PATH,
        },
    }


def tasks_table(tasks: dict[str, int]) -> pa.Table:
    """meta/tasks.parquet: task_index, with the task's text as pandas' index."""
    table = pa.table(
        {
            "task_index": pa.array(list(tasks.values()), pa.int64()),
            "task": pa.array(list(tasks), pa.string()),
        }
    )
    described = [
        {"name": "task_index", "field_name": "task_index"}
        | {"pandas_type": "int64", "numpy_type": "int64", "metadata": None},
        {"name": "task", "field_name": "task"}
        | {"pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ]
    # what pandas writes, so that it makes an index of the texts again
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": described,
        "creator": {"library": "pyarrow", "version": pa.__version__},
    }
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def episode_row(
    episode: EpisodeContents,
    *,
    index: int,
    from_row: int,
    data_file: tuple[int, int],
    video_file: tuple[int, int],
    video_span_s: tuple[float, float],
    stats: dict[str, dict[str, list[Any]]],
    between: dict[str, list[Any]],
) -> dict[str, Any]:
    """One row of meta/episodes.

    Args:
        episode: what is described.
        index, from_row: its number and that of its first row in the dataset.
        data_file, video_file: chunk and file index.
        video_span_s: where it lies in the video file [s].
        stats: feature -> statistic -> value.
        between: stamps and hashes of the frames that belong to no row.
    """
    video = f"videos/{layout.COLOR_KEY}"
    metadata = episode.metadata
    camera = episode.intrinsics
    row: dict[str, Any] = {
        "episode_index": index,
        "tasks": [metadata.instruction],
        "length": len(episode.steps),
        "dataset_from_index": from_row,
        "dataset_to_index": from_row + len(episode.steps),
        "data/chunk_index": data_file[0],
        "data/file_index": data_file[1],
        f"{video}/chunk_index": video_file[0],
        f"{video}/file_index": video_file[1],
        f"{video}/from_timestamp": video_span_s[0],
        f"{video}/to_timestamp": video_span_s[1],
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "spatialbot/episode": episode.name,
        "spatialbot/label": metadata.label,
        "spatialbot/success": metadata.label == "success",
        "spatialbot/seed": -1 if metadata.seed is None else metadata.seed,
        "spatialbot/type_hashes": json.dumps(dict(episode.type_hashes), sort_keys=True),
        "spatialbot/metadata": metadata_to_json(metadata),
        "spatialbot/intrinsics": [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px],
        "spatialbot/distortion": [float(value) for value in camera.distortion],
        "spatialbot/image_frame_id": episode.image_frame_id,
        "spatialbot/between_ns": between["stamps"],
        "spatialbot/between_depth_sha256": between["depth"],
        "spatialbot/between_color_sha256": between["color"],
    }
    for feature, table in stats.items():
        row |= {f"stats/{feature}/{name}": value for name, value in table.items()}
    return row
