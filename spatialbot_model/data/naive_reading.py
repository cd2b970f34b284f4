"""Samples the plain way, with rosbags alone: what the data loader is compared with.

Bags are kept open, and of each only the colour and depth messages around a sample's frames are
asked for, by time; whatever rosbags then decompresses and decodes is used. Nothing is indexed by
position and nothing is cached.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from spatialbot_model.contracts.episode import ACTION_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from spatialbot_model.contracts.message_fields import stamp_ns_of
from spatialbot_model.data.frame_file import Images
from spatialbot_model.data.image_messages import color_of, depth_of

Step = tuple[int, tuple[int, ...]]
"""Number of the episode, and the stamps of its frames [ns], newest first."""


class NaiveReader:
    """Frames of control steps, for bags of our own recorder: log times are the header's.

    May be sent to other processes; each opens the bags anew.
    """

    def __init__(self, folders: Sequence[Path], history: int) -> None:
        self._folders = tuple(folders)
        self._history = history
        self._open: dict[int, AnyReader] = {}

    def steps(self) -> list[Step]:
        """Every action of every episode with its frames."""
        steps: list[Step] = []
        for episode in range(len(self._folders)):
            reader = self._reader(episode)
            stamps: list[int] = []
            connections = [c for c in reader.connections if c.topic == ACTION_TOPIC]
            for connection, _, data in reader.messages(connections):
                message: Any = reader.deserialize(data, connection.msgtype)
                stamps.insert(0, stamp_ns_of(message.observation_stamp))
                frames = stamps[: self._history]
                frames += frames[-1:] * (self._history - len(frames))
                steps.append((episode, tuple(frames)))
        return steps

    def frames(self, step: Step) -> list[Images]:
        """Colour and depth of a step's frames, newest first."""
        episode, wanted = step
        reader = self._reader(episode)
        found: dict[tuple[str, int], Any] = {}
        topics = (COLOR_TOPIC, DEPTH_TOPIC)
        connections = [c for c in reader.connections if c.topic in topics]
        for connection, stamp_ns, data in reader.messages(
            connections, start=min(wanted), stop=max(wanted) + 1
        ):
            if stamp_ns in wanted:
                found[connection.topic, stamp_ns] = reader.deserialize(data, connection.msgtype)
        return [
            (color_of(found[COLOR_TOPIC, ns]), depth_of(found[DEPTH_TOPIC, ns])) for ns in wanted
        ]

    def close(self) -> None:
        """Close the bags."""
        for reader in self._open.values():
            reader.close()
        self._open.clear()

    def __reduce__(self) -> tuple[type["NaiveReader"], tuple[tuple[Path, ...], int]]:
        """A copy opens bags of its own."""
        return NaiveReader, (self._folders, self._history)

    def _reader(self, episode: int) -> AnyReader:
        if episode not in self._open:
            reader = AnyReader([self._folders[episode]])
            reader.open()
            self._open[episode] = reader
        return self._open[episode]
