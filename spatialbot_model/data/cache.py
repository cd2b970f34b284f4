"""Decoded frames on disk, at full size or at the size that a vision tower is shown.

Depth stays exact: raw millimetres, at most picked by nearest neighbour, never compressed with
loss. `SpatialBotProcessor` makes the same pixel values of a cached frame as of the recorded one,
bit for bit.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_model.data.bag_reader import BagReader
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.frame_file import (
    FrameFile,
    Images,
    frame_file_bytes,
    write_frame_file,
)
from spatialbot_model.data.index_files import episode_key, fingerprint
from spatialbot_model.processing.images import ImageSettings, fit_pixels, fitted_size

_LOG = logging.getLogger(__name__)
_MAX_OPEN = 512
_MAX_READERS = 32


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Where frames are cached and how many.

    Attributes:
        folder: files of several datasets and sizes may share it.
        image_settings: of the tower that frames are shrunk for; None keeps full size.
        max_bytes: most bytes of frames in the folder. Files that were not used for longest go
            first; files of the episodes at hand stay, and what does not fit is read from bags.

    Raises:
        ConfigurationError: no room, or settings whose images cannot be shrunk.
    """

    folder: Path
    image_settings: ImageSettings | None = None
    max_bytes: int = 50 * 10**9

    def __post_init__(self) -> None:
        if self.max_bytes <= 0:
            raise ConfigurationError(f"max_bytes is {self.max_bytes}, expected more than 0")
        if self.image_settings is not None and self.image_settings.mode == "release":
            raise ConfigurationError(
                "images of mode 'release' are encoded at full size; cache full-size frames"
                " (image_settings=None)"
            )

    @property
    def form(self) -> str:
        """Folder of this size: ``full``, or size and geometry."""
        settings = self.image_settings
        return "full" if settings is None else f"{settings.size}-{settings.geometry}"


class FrameStore:
    """Frames of a set of episodes; cached once, then read by any number of processes.

    Args:
        episodes: whose files are never removed to make room.
        options: None reads everything from the bags, at full size.
    """

    def __init__(
        self, episodes: Sequence[EpisodeIndex], options: CacheOptions | None = None
    ) -> None:
        self.options = options
        self._settings = None if options is None else options.image_settings
        self._episodes = tuple(episodes)
        self._open: dict[int, FrameFile | None] = {}
        self._readers: dict[int, BagReader] = {}

    def frame(self, episode: int, number: int) -> RgbdFrame:
        """One frame from the cache, or from the bag where it is not cached.

        Raises:
            RecordingError: it is not cached and the bag cannot be read.
        """
        index = self._episodes[episode]
        file = self._file(episode)
        if file is not None:
            try:
                return self._frame(index, number, file.read(number))
            except RecordingError as error:
                _LOG.warning("%s; it is read from its bag, and cached anew by `build`", error)
                file.path.unlink(missing_ok=True)
                self._open[episode] = None
        recorded = index.read_frame(self._reader(episode), number)
        return self._frame(index, number, self._fit(recorded))

    def is_cached(self, episode: int) -> bool:
        """Whether the frames of an episode are there and belong to the bag as it is now."""
        return self._file(episode) is not None

    def build(self, episode: int) -> bool:
        """Cache one episode, unless it is cached; several processes may do so at once.

        Returns:
            False when there was no room for it.

        Raises:
            RecordingError: a frame cannot be read, or the bag changed since it was indexed.
            OSError: the disk does not take it.
        """
        if self._file(episode) is not None:
            return True
        index, path = self._episodes[episode], self._path(episode)
        height, width = self._shape(index)
        if path is None or not self._make_room(frame_file_bytes(index.num_frames, height, width)):
            return False
        made_from = self._made_from(index)
        write_frame_file(path, made_from, index.num_frames, self._images(index))
        self._open.pop(episode, None)
        return True

    def close(self) -> None:
        """Give files back; the next read opens them again."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._open.clear()

    def __getstate__(self) -> dict[str, object]:
        """Workers open the files themselves."""
        return {**self.__dict__, "_open": {}, "_readers": {}}

    def _images(self, index: EpisodeIndex) -> Iterator[Images]:
        reader = index.reader()
        try:
            for number in range(index.num_frames):
                yield self._fit(index.read_frame(reader, number))
        finally:
            reader.close()

    def _fit(self, frame: RgbdFrame) -> Images:
        settings = self._settings
        if settings is None:
            return frame.color, frame.depth_mm
        return fit_pixels(frame.color, settings), fit_pixels(frame.depth_mm, settings)

    def _frame(self, index: EpisodeIndex, number: int, images: Images) -> RgbdFrame:
        color, depth_mm = images
        intrinsics = scaled_intrinsics(index.intrinsics, *depth_mm.shape)
        return RgbdFrame(int(index.frame_stamps_ns[number]), color, depth_mm, intrinsics)

    def _file(self, episode: int) -> FrameFile | None:
        if episode in self._open:
            return self._open[episode]
        path, index = self._path(episode), self._episodes[episode]
        if path is None:
            return None
        file: FrameFile | None = None
        try:
            file = FrameFile(path)
            if file.made_from != self._made_from(index) or len(file) != index.num_frames:
                file = None
            else:
                # the time of use decides what goes when room is needed
                os.utime(path)
        except FileNotFoundError:
            pass
        except (OSError, RecordingError) as error:
            _LOG.warning("%s; its frames are read from the bag", error)
            file = None
        while len(self._open) >= _MAX_OPEN:
            self._open.pop(next(iter(self._open)))
        self._open[episode] = file
        return file

    def _path(self, episode: int) -> Path | None:
        if self.options is None:
            return None
        index = self._episodes[episode]
        name = f"{index.name[:80]}-{episode_key(index.folder)}.frames"
        return self.options.folder / "frames" / self.options.form / name

    def _reader(self, episode: int) -> BagReader:
        reader = self._readers.get(episode)
        if reader is None:
            while len(self._readers) >= _MAX_READERS:
                self._readers.pop(next(iter(self._readers)))
            reader = self._readers[episode] = self._episodes[episode].reader()
        return reader

    def _made_from(self, index: EpisodeIndex) -> str:
        """The bag as it is, and which of its frames are wanted in which size."""
        digest = hashlib.sha256(fingerprint(index.folder).encode())
        digest.update(index.frame_stamps_ns.tobytes())
        digest.update(json.dumps(self._shape(index)).encode())
        return digest.hexdigest()[:32]

    def _shape(self, index: EpisodeIndex) -> tuple[int, int]:
        height, width = index.intrinsics.height, index.intrinsics.width
        settings = self._settings
        return (height, width) if settings is None else fitted_size(height, width, settings)

    def _make_room(self, num_bytes: int) -> bool:
        """Remove files of other episodes, longest unused first, until this many bytes fit."""
        assert self.options is not None
        ours = {self._path(episode) for episode in range(len(self._episodes))}
        files = []
        for path in (self.options.folder / "frames").glob("*/*.frames"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process made room
                continue
            files.append((status.st_mtime_ns, status.st_size, path))
        free = self.options.max_bytes - num_bytes - sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if free >= 0:
                break
            if path not in ours:
                path.unlink(missing_ok=True)
                free += size
        return free >= 0


def scaled_intrinsics(intrinsics: CameraIntrinsics, height: int, width: int) -> CameraIntrinsics:
    """The pinhole model of an image that was resized to this size."""
    if (height, width) == (intrinsics.height, intrinsics.width):
        return intrinsics
    x, y = width / intrinsics.width, height / intrinsics.height
    return replace(
        intrinsics,
        width=width,
        height=height,
        fx_px=intrinsics.fx_px * x,
        fy_px=intrinsics.fy_px * y,
        # pixel borders scale, and centres lie half a pixel inside
        cx_px=(intrinsics.cx_px + 0.5) * x - 0.5,
        cy_px=(intrinsics.cy_px + 0.5) * y - 0.5,
    )
