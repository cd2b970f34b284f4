"""Recording two RGB-D cameras: losses at their rate, and throughput against plain file writing.

The episode contract has one camera; the load of two is one at twice the rate, 60 RGB-D frames of
640x480 a second, 92 MB/s.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import COLOR_TOPIC, DEPTH_TOPIC, EpisodeMetadata
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.errors import ConfigurationError, SpatialBotError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.benchmarks.synthetic_frames import synthetic_frames
from spatialbot_ros.episodes.image_compression import IMAGE_TYPE
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.writer import QUEUE_BYTES, EpisodeWriter

NUM_CAMERAS, CAMERA_HZ = 2, 30.0
BASELINE = "the same bytes written to one plain file, message by message, then synced"
_NUM_PICTURES = 30
_BURST_BYTES = 800_000_000
_ROUNDS = 6
_START_S = 60.0


class RecorderBenchmarkError(SpatialBotError):
    """One of the measured processes did not do its part."""


def run(
    seconds: float = 60.0, dds_seconds: float = 20.0, color: str = "raw", depth: str = "raw"
) -> BenchmarkResult:
    """Record at camera rate, then as fast as it goes, then through the node over DDS.

    Args:
        seconds: for which the writer records at camera rate; 0 leaves this out.
        dds_seconds: the same for the recorder node in a process of its own; 0 leaves this out.
        color, depth: how images are stored, see `ImageFormats`.

    Raises:
        ConfigurationError: negative times, or less than one frame.
        RecordingError: an unknown image format, or the disk is full.
        RecorderBenchmarkError: a process of the measurement over DDS failed.
    """
    if min(seconds, dds_seconds) < 0.0 or 0.0 < seconds < 0.1:
        raise ConfigurationError(
            f"seconds is {seconds} and dds_seconds {dds_seconds}; expected 0 or at least 0.1"
        )
    formats = ImageFormats(color, depth)
    messages = _serialised_pictures()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-recorder-", dir=_roomy_folder()) as name:
        folder = Path(name)
        if seconds:
            figures |= _record_paced(folder / "paced", messages, seconds, formats)
        writer_s, plain_s, num_bytes = _record_bursts(folder, messages, formats)
        figures["sustained_mb_s"] = round(num_bytes / writer_s / 1e6, 1)
        figures["sustained_plain_file_mb_s"] = round(num_bytes / plain_s / 1e6, 1)
        if dds_seconds:
            figures |= _record_over_dds(folder / "dds", dds_seconds, formats)
    return BenchmarkResult(
        name="recorder",
        figures=figures,
        baseline=BASELINE,
        ratio=round(plain_s / writer_s, 3),
        n=_ROUNDS,
    )


def _roomy_folder() -> Path:
    # /tmp may be a small disk in memory; episodes are written where episodes are written
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    return folder


def _serialised_pictures() -> list[tuple[str, bytes]]:
    store = message_types()
    messages = []
    for frame in synthetic_frames(_NUM_PICTURES, seed=0):
        for topic, encoding, pixels in (
            (COLOR_TOPIC, "rgb8", frame.color),
            (DEPTH_TOPIC, "16UC1", frame.depth_mm),
        ):
            time_type = store.types["builtin_interfaces/msg/Time"]
            stamp = time_type(sec=frame.stamp_ns // 10**9, nanosec=frame.stamp_ns % 10**9)
            message = store.types[IMAGE_TYPE](
                header=store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera"),
                height=pixels.shape[0],
                width=pixels.shape[1],
                encoding=encoding,
                is_bigendian=0,
                step=pixels[0].nbytes,
                data=pixels.reshape(-1).view(np.uint8),
            )
            messages.append((topic, bytes(store.serialize_cdr(message, IMAGE_TYPE))))
    return messages


def _open_writer(folder: Path, formats: ImageFormats) -> EpisodeWriter:
    metadata = EpisodeMetadata(
        task="benchmark", instruction="", action_spec=ActionSpec().to_mapping()
    )
    writer = EpisodeWriter(folder, metadata, formats=formats)
    writer.open()
    return writer


def _record_paced(
    folder: Path, messages: Sequence[tuple[str, bytes]], seconds: float, formats: ImageFormats
) -> dict[str, float]:
    writer = _open_writer(folder, formats)
    rate_hz = 2 * NUM_CAMERAS * CAMERA_HZ
    most_queued = 0
    slowest_s = 0.0
    cpu_s = _cpu_s()
    begin_s = time.monotonic()
    for index in range(int(seconds * rate_hz)):
        # colour and depth of one frame come together
        due_s = begin_s + (index // 2) / (NUM_CAMERAS * CAMERA_HZ)
        time.sleep(max(0.0, due_s - time.monotonic()))
        topic, data = messages[index % len(messages)]
        called_s = time.perf_counter()
        writer.write(topic, data, time.time_ns())
        slowest_s = max(slowest_s, time.perf_counter() - called_s)
        most_queued = max(most_queued, writer.queued_bytes)
    recorded_s = time.monotonic() - begin_s
    cpu_s = _cpu_s() - cpu_s
    stored_bytes = writer.num_bytes
    metadata = writer.close("unknown", "", 0)
    result = {
        "paced_seconds": round(recorded_s, 2),
        "paced_messages": float(sum(metadata.counts.values())),
        "paced_dropped": float(sum(metadata.drops.values())),
        "paced_stored_mb_s": round(stored_bytes / recorded_s / 1e6, 1),
        "paced_cpu_cores": round(cpu_s / recorded_s, 3),
        "paced_most_queued_mb": round(most_queued / 1e6, 1),
        "paced_slowest_call_ms": round(1e3 * slowest_s, 2),
    }
    _remove(folder)
    return result


def _record_bursts(
    folder: Path, messages: Sequence[tuple[str, bytes]], formats: ImageFormats
) -> tuple[float, float, int]:
    """Median seconds of the writer and of the plain file, and the bytes each was given."""
    pair_bytes = len(messages[0][1]) + len(messages[1][1])
    chosen = [messages[i % len(messages)] for i in range(2 * (_BURST_BYTES // pair_bytes))]
    num_bytes = sum(len(data) for _, data in chosen)
    writer_s, plain_s = [], []
    for round_ in range(_ROUNDS):
        # in turns, so that neither always finds the disk as the other left it
        first, second = (_write_plain, _write_burst) if round_ % 2 else (_write_burst, _write_plain)
        for write in (first, second):
            begin_s = time.monotonic()
            write(folder / "burst", chosen, formats)
            times_s = plain_s if write is _write_plain else writer_s
            times_s.append(time.monotonic() - begin_s)
            _remove(folder / "burst")
    return float(np.median(writer_s)), float(np.median(plain_s)), num_bytes


def _write_plain(
    folder: Path, messages: Sequence[tuple[str, bytes]], formats: ImageFormats
) -> None:
    folder.mkdir()
    with (folder / "plain").open("wb") as file:
        for _, data in messages:
            file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_burst(
    folder: Path, messages: Sequence[tuple[str, bytes]], formats: ImageFormats
) -> None:
    writer = _open_writer(folder, formats)
    for stamp_ns, (topic, data) in enumerate(messages):
        while writer.queued_bytes > QUEUE_BYTES - len(data):
            time.sleep(0.002)
        writer.write(topic, data, stamp_ns)
    metadata = writer.close("unknown", "", 0)
    if metadata.drops:
        raise RecorderBenchmarkError(f"messages were lost in a burst: {dict(metadata.drops)}")


def _record_over_dds(folder: Path, seconds: float, formats: ImageFormats) -> dict[str, float]:
    environment = {
        **os.environ,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(find_resource("config/fastdds.xml")),
    }
    command = [sys.executable, "-m", "spatialbot_ros.nodes.recorder", "--ros-args"]
    command += ["--log-level", "warn"]
    for name, value in (
        ("output_directory", folder),
        ("color_format", formats.color),
        ("depth_format", formats.depth),
    ):
        command += ["-p", f"{name}:={value}"]
    rate_hz = NUM_CAMERAS * CAMERA_HZ
    recorder = subprocess.Popen(command, env=environment)
    try:
        probe = subprocess.run(
            [
                *(sys.executable, "-m", "spatialbot_ros.nodes.recorder_probe"),
                *(f"--frames={int(seconds * rate_hz)}", f"--rate-hz={rate_hz}"),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds + 2 * _START_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RecorderBenchmarkError("the load of the recorder node did not end") from error
    finally:
        recorder.terminate()
        recorder.wait(_START_S)
    answer = _answer_of(probe)
    counts = dict.fromkeys((COLOR_TOPIC, DEPTH_TOPIC), 0)
    with EpisodeReader(Path(answer["path"])) as reader:
        for topic in counts:
            stamps = (stamp_ns for _, stamp_ns, _ in reader.stored(topic))
            counts[topic] = sum(stamp_ns >= answer["first_ns"] for stamp_ns in stamps)
        known = sum(reader.metadata.drops.values())
    return {
        "dds_seconds": round(answer["seconds"], 2),
        "dds_images": float(2 * answer["sent"]),
        "dds_images_missing": float(2 * answer["sent"] - sum(counts.values())),
        "dds_refused_by_middleware": float(answer["refused"]),
        "dds_losses_in_metadata": float(known),
    }


def _answer_of(probe: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(probe.stdout)
    except json.JSONDecodeError as error:
        raise RecorderBenchmarkError(
            f"the load of the recorder node ended with code {probe.returncode} and no answer; see"
            " its error output above"
        ) from error
    if "error" in answer:
        raise RecorderBenchmarkError(f"the recorder node was not measured: {answer['error']}")
    return answer


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
