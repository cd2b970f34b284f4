"""Test double of a hand whose commands end when the test says so."""

import threading


class SlowGripper:
    """See `gripper_worker.GripperDevice`."""

    def __init__(self):
        self.started, self.reads = [], []
        self.done = threading.Event()
        self.ended = threading.Event()
        self.failure = None
        self.lost = None
        self.closed = threading.Event()

    def start(self, closed):
        self.done.clear()
        self.ended.clear()
        self.started.append(closed)

    def finished(self):
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.done.is_set():
            self.ended.set()
        return self.done.is_set()

    def read_width_m(self):
        self.reads.append(None)
        if self.lost is not None:
            raise self.lost
        return 0.01 * len(self.started)

    def close(self):
        self.closed.set()
