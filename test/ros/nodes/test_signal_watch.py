"""Signals are heard while the main thread is busy elsewhere."""

import os
import signal
import threading

from robot_process import wait_until

from spatialbot_ros.nodes.signal_watch import SignalWatch


def test_it_hears_the_signal_on_a_thread_of_its_own_and_the_handler_runs_as_well():
    heard, handled = [], []
    before = signal.signal(signal.SIGTERM, lambda number, _: handled.append(number))
    watch = SignalWatch(lambda number: heard.append((number, threading.current_thread().name)))
    try:
        watch.start()
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: heard and handled)
    finally:
        watch.close()
        signal.signal(signal.SIGTERM, before)
    assert heard == [(signal.SIGTERM, "signal-watch")]
    wait_until(lambda: "signal-watch" not in {t.name for t in threading.enumerate()})
    watch.close()
