"""What is fuzzed: by name, where it is, and what of it the fuzzer watches."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from spatialbot_model.contracts.errors import UnknownNameError

ACCEPTED = "accepted"
ACCOUNT_NAME, DEFECTS_NAME = "account.json", "defects"
"""What a piece leaves in the folder of its target."""


class FuzzTarget(ABC):
    """One reader. Nothing of it may be kept from one input to the next."""

    def __init__(self, folder: Path) -> None:
        """Prepare in `folder`, which exists and is this target's own."""
        self.folder = folder

    def put(self, name: str, data: bytes) -> Path:
        """The file `name` of the target's folder, with this content."""
        path = self.folder / name
        # emptied first, a file would be flushed to the disk each time it is closed
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(data)
            file.truncate()
        return path

    @abstractmethod
    def seeds(self) -> list[bytes]:
        """Inputs that are well-formed, for the fuzzer to begin with."""

    @abstractmethod
    def words(self) -> list[bytes]:
        """Byte strings that mean something to the reader."""

    @abstractmethod
    def check(self, data: bytes) -> str:
        """Read one input.

        Returns:
            `ACCEPTED`, or the class of the declared error.

        Raises:
            Exception: whatever else happened: a defect. AssertionError: accepted, but what came
                out is not what it promises.
        """


@dataclass(frozen=True, slots=True)
class FuzzEntry:
    """One entry of `FUZZ_TARGETS`.

    Attributes:
        description: one line for people.
        place: module and class.
        watched: modules whose branches guide the fuzzer.
        max_bytes: longest input.
    """

    description: str
    place: str
    watched: tuple[str, ...]
    max_bytes: int

    def make(self, folder: Path) -> FuzzTarget:
        """Import it and prepare it; see `FuzzTarget`."""
        module, name = self.place.split(":")
        target = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        return cast(FuzzTarget, target(folder))


_CONTRACTS = "spatialbot_model.contracts"
FUZZ_TARGETS: Mapping[str, FuzzEntry] = MappingProxyType(
    {
        "action": FuzzEntry(
            "a policy's answer, as text and as action tokens",
            "answers:ActionTarget",
            (f"{_CONTRACTS}.action_codec",),
            200,
        ),
        "depth_tool": FuzzEntry(
            "Depth(x,y) calls in a reply, and their answers",
            "answers:DepthToolTarget",
            (f"{_CONTRACTS}.depth_tool",),
            200,
        ),
        "bag": FuzzEntry(
            "an MCAP file: records, chunks, definitions, messages",
            "bags:BagTarget",
            ("spatialbot_model.data.mcap_file", "spatialbot_model.data.bag_reader"),
            1200,
        ),
        "bag_metadata": FuzzEntry(
            "the metadata.yaml and episode.json of an episode",
            "bags:MetadataTarget",
            (
                f"{_CONTRACTS}.episode",
                f"{_CONTRACTS}.episode_sidecar",
                f"{_CONTRACTS}.path_names",
                "spatialbot_model.data.bag_reader",
            ),
            1500,
        ),
        "protocol": FuzzEntry(
            "a message to the policy server: bytes, values, and the session that takes them",
            "protocol:ProtocolTarget",
            tuple(f"spatialbot_model.serving.{m}" for m in ("protocol", "arrays", "readers")),
            1200,
        ),
        "configuration": FuzzEntry(
            "cell.yaml, action_spec.yaml and safety.yaml",
            "configuration:ConfigurationTarget",
            (
                *(f"{_CONTRACTS}.{m}" for m in ("yaml_text", "cell", "action_spec")),
                "spatialbot_ros.safety_limits",
                "spatialbot_ros.configuration",
            ),
            3000,
        ),
    }
)


def fuzz_entry(name: str) -> FuzzEntry:
    """One by name.

    Raises:
        UnknownNameError: there is none; lists those that are.
    """
    if name not in FUZZ_TARGETS:
        raise UnknownNameError("fuzz target", name, FUZZ_TARGETS)
    return FUZZ_TARGETS[name]
