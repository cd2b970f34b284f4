"""A test double of a recorder that is killed: records synthetic episodes until it dies.

Run as a process of its own. For each line ``FOLDER SEED`` on stdin it forks a child that writes
one episode after the other into FOLDER, and prints the child's process id; the libraries are
loaded once, so that a hundred kills take seconds. The child's stamps are the monotonic clock. It
leaves two files beside its episodes: ``closed`` names every episode whose `close` has returned,
and ``given`` holds two stamps: of the first message that was given to the open episode's writer,
and of the newest.
"""

import mmap
import os
import random
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import synthetic_episode as synthetic

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_ros.episodes.writer import EpisodeWriter

PERIOD_S = 0.005
RAW, COMPRESSED = ImageFormats(), ImageFormats("jpeg", "png")


def record(folder: Path, seed: int) -> None:
    """Record until killed."""
    rng = random.Random(seed)
    folder.mkdir()
    closed = (folder / "closed").open("wb", buffering=0)
    (folder / "given").write_bytes(bytes(16))
    given_file = (folder / "given").open("r+b")
    given = mmap.mmap(given_file.fileno(), 16)
    number = 0
    while True:
        number += 1
        begin_ns = time.monotonic_ns()
        metadata = replace(synthetic.METADATA, start_ns=begin_ns)
        formats = COMPRESSED if rng.random() < 0.3 else RAW
        name = f"episode_{number:04d}"
        writer = EpisodeWriter(folder / name, metadata, formats=formats, reserve_bytes=0)
        writer.open()
        static = synthetic.encode(contract.STATIC_TF_TOPIC, synthetic.static_transform())
        writer.write(contract.STATIC_TF_TOPIC, static, begin_ns)
        # most kills shall meet an open episode, some a closing one
        end_ns = time.monotonic_ns() + int(rng.uniform(0.05, 1.5) * 1e9)
        first_ns = now_ns = 0
        while now_ns < end_ns:
            now_ns = time.monotonic_ns()
            first_ns = first_ns or now_ns
            for topic, message in synthetic.messages_of(0, now_ns).items():
                writer.write(topic, synthetic.encode(topic, message), now_ns)
            given[:] = struct.pack("<qq", first_ns, now_ns)
            time.sleep(PERIOD_S)
        writer.close("success", "", time.monotonic_ns())
        closed.write(f"{name}\n".encode())


def main() -> None:
    """Fork a child for each line."""
    # what is slow the first time shall not be what is killed
    for topic, message in synthetic.messages_of(0).items():
        synthetic.encode(topic, message)
    for line in sys.stdin:
        folder, seed = line.split()
        child = os.fork()
        if child == 0:
            record(Path(folder), int(seed))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("ended\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
