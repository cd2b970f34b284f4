"""Test doubles of the sink of collectors."""

from dataclasses import dataclass, field


@dataclass
class ListSink:
    """A test double that keeps everything in memory."""

    started: list = field(default_factory=list)
    records: list = field(default_factory=list)
    ended: list = field(default_factory=list)
    discarded: int = 0
    there: str = ""

    def finished(self, scene, variant):
        return self.there

    def begin(self, start):
        self.started.append(start)
        self.records = []

    def write(self, record):
        self.records.append(record)

    def end(self, label, reason, stop_ns):
        self.ended.append((label, reason, stop_ns))
        return "kept"

    def discard(self):
        self.discarded += 1


class TellingSink(ListSink):
    """A test double whose folder names tell what it was given."""

    def end(self, label, reason, stop_ns):
        poses = [record.robot.T_base_ee.tobytes().hex() for record in self.records]
        texts = [[(a.instruction, a.text) for a in r.annotations] for r in self.records]
        waypoints = [
            [None if p is None else p.tolist() for a in r.annotations for p in (a.pick, a.place)]
            for r in self.records
        ]
        return repr((reason, poses, texts, waypoints))
