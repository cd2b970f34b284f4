"""Test double of a person at a terminal: the teleop node in a real pseudo-terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading

import pytest
from executor_client import DOMAIN_ID
from robot_process import wait_until


class TeleopTerminal:
    """The node as users run it; `hold` keeps a key repeating, as a terminal does."""

    def __init__(self, **parameters):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        command = [sys.executable, "-m", "spatialbot_ros.nodes.teleop", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self._slave = slave
        self.modes_before = termios.tcgetattr(slave)
        environment = os.environ | {
            "ROS_DOMAIN_ID": str(DOMAIN_ID),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "TERM": "xterm",
            "PYTHONFAULTHANDLER": "1",
        }
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=environment
        )
        self.output = b""
        self._held = ""
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=f) for f in (self._read, self._repeat)]
        for thread in self._threads:
            thread.start()

    def press(self, *keys):
        for key in keys:
            os.write(self._master, key.encode())

    def hold(self, key):
        """Repeat a key from now on; "" lets go."""
        self._held = key

    def wait_for_screen(self, *texts):
        """Wait until all of them were shown; a failure tells what the node did instead."""
        try:
            wait_until(lambda: self.process.poll() is not None or self._shows(texts))
            assert self._shows(texts), "the node ended"
        except AssertionError as error:
            shown = self.text[-4000:]
            if self.process.poll() is None:
                # faulthandler writes where each thread is
                self.process.send_signal(signal.SIGABRT)
            _, errors = self.end()
            pytest.fail(f"{error}; waited for {texts}\nscreen: {shown!r}\nstderr: {errors}")

    def _shows(self, texts):
        return all(text in self.text for text in texts)

    @property
    def text(self):
        return self.output.decode(errors="replace")

    @property
    def modes(self):
        return termios.tcgetattr(self._slave)

    def end(self):
        """Ctrl-C's signal; exit code and stderr."""
        self.hold("")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        finally:
            self._ending.set()
            os.close(self._slave)
            for thread in self._threads:
                thread.join(10)
            os.close(self._master)
        return self.process.returncode, errors.decode()

    def _read(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            self.output += data

    def _repeat(self):
        # 25 presses a second, as X sends them
        while not self._ending.wait(0.04):
            if self._held:
                self.press(self._held)
