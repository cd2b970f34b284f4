"""Frames to video files and back, through PyAV: lossy or exact colour, always exact depth."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    MissingDependencyError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_model.contracts.scheduling import schedule_threads_ordinarily, thread_ids

if TYPE_CHECKING:
    import av


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """How frames are encoded.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        codec: name of what it writes, as datasets state it.
        pix_fmt: pixel format in the file.
        array_format: PyAV's name of the arrays' layout.
        exact: decoding gives the very pixels back.
        options: of the encoder.
    """

    encoder: str
    codec: str
    pix_fmt: str
    array_format: str
    exact: bool
    options: Mapping[str, str] = field(default_factory=dict)


# a key frame every second frame: training reads frames at random
_LOSSY = {"crf": "30", "g": "2"}
COLOR_CODECS: Mapping[str, VideoCodec] = {
    "av1": VideoCodec("libsvtav1", "av1", "yuv420p", "rgb24", False, {**_LOSSY, "preset": "8"}),
    "h264": VideoCodec("libx264", "h264", "yuv420p", "rgb24", False, {**_LOSSY, "crf": "23"}),
    "ffv1": VideoCodec("ffv1", "ffv1", "bgr0", "rgb24", True, {"level": "3", "slicecrc": "1"}),
}
"""Colour: ``av1`` as LeRobot has it; ``ffv1`` keeps every pixel and is some 30 times larger."""

DEPTH_CODEC = VideoCodec(
    "ffv1", "ffv1", "gray16le", "gray16le", True, {"level": "3", "slicecrc": "1", "g": "1"}
)
"""16-bit millimetres, every one of them kept; every frame is a key frame."""


def color_codec(name: str) -> VideoCodec:
    """A codec of `COLOR_CODECS`.

    Raises:
        UnknownNameError: lists the names.
    """
    if name not in COLOR_CODECS:
        raise UnknownNameError("video codec", name, COLOR_CODECS)
    return COLOR_CODECS[name]


class VideoWriter:
    """Context manager that appends frames of one size to a new file.

    Args:
        path: .mp4 or .mkv; its folder is made.
        codec: how to encode.
        fps: frames per second; frame k is shown at k / fps.
    """

    def __init__(self, path: Path, codec: VideoCodec, fps: int) -> None:
        self.path = path
        self.num_frames = 0
        self._codec = codec
        self._fps = fps
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None

    def __enter__(self) -> "VideoWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._container = _av().open(str(self.path), "w")
        except OSError as error:
            raise RecordingError(f"the video {self.path} cannot be written: {error}") from error
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._container is not None
        try:
            if exc is None and self._stream is not None:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def append(self, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Encode one frame: (H, W, 3) uint8 RGB, or (H, W) uint16 mm for depth.

        Raises:
            RecordingError: another size than the first frame, or the disk does not take it.
        """
        assert self._container is not None
        height, width = pixels.shape[:2]
        known_threads: set[int] | None = None
        if self._stream is None:
            known_threads = thread_ids()
            self._stream = self._add_stream(self._container, width, height)
        if (self._stream.height, self._stream.width) != (height, width):
            raise RecordingError(
                f"a frame is {width}x{height}, the video {self.path.name} is"
                f" {self._stream.width}x{self._stream.height}; one video has one size"
            )
        frame = _av().VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format=self._codec.array_format
        )
        frame.pts, frame.time_base = self.num_frames, Fraction(1, self._fps)
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError) as error:
            raise RecordingError(f"the video {self.path} cannot be written: {error}") from error
        finally:
            if known_threads is not None:
                # SVT-AV1 starts here, and puts all that it runs on before a robot's control loop
                schedule_threads_ordinarily(known_threads)
        self.num_frames += 1

    def _add_stream(
        self, container: "av.container.OutputContainer", width: int, height: int
    ) -> "av.VideoStream":
        options = dict(self._codec.options)
        stream: Any = container.add_stream(self._codec.encoder, rate=self._fps, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = self._codec.pix_fmt
        added: av.VideoStream = stream
        return added

    @property
    def num_bytes(self) -> int:
        """Bytes on disk so far; the encoder may hold some frames back."""
        return self.path.stat().st_size if self.path.exists() else 0


def read_video(
    path: Path, array_format: str, *, start_s: float = 0.0, num_frames: int | None = None
) -> Iterator[NDArray[Any]]:
    """Decoded frames in order.

    Args:
        path: the file.
        array_format: ``rgb24`` or ``gray16le``.
        start_s: time of the first frame wanted [s].
        num_frames: how many; all when None.

    Raises:
        RecordingError: not a video, or fewer frames than asked for.
    """
    given = 0
    try:
        with _av().open(str(path)) as container:
            stream = container.streams.video[0]
            if start_s > 0.0 and stream.time_base:
                container.seek(int(start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if num_frames is not None and given >= num_frames:
                    break
                # times are multiples of 1 / fps; a tenth of a millisecond is rounding
                if frame.time is not None and frame.time < start_s - 1e-4:
                    continue
                yield frame.to_ndarray(format=array_format)
                given += 1
    except (OSError, ValueError, IndexError) as error:
        raise RecordingError(f"the video {path} cannot be read: {error}") from error
    if num_frames is not None and given < num_frames:
        raise RecordingError(
            f"the video {path} holds {given} frames from {start_s:.2f} s on, {num_frames} are"
            " expected; the file is cut off"
        )


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            "converting episodes needs PyAV; install it with `pip install 'spatialbot_ros[data]'`"
        ) from error
    # the encoders' chatter is no news to people; errors raise
    os.environ.setdefault("SVT_LOG", "1")
    av.logging.set_level(av.logging.ERROR)
    return av
