"""A policy server as a process of its own; the echoing policy answers.

Run as a script: HOST PORT. Prints the port once clients can connect.
"""

import os
import subprocess
import sys
from pathlib import Path

from policy_doubles import WAIT_S, EchoPolicy

from spatialbot_model.serving.options import ServerOptions
from spatialbot_model.serving.run import run_server


class ServerProcess:
    """Context manager: a server process that can be killed and started again on its port."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), self.host, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # what this process can import, however it was told where
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server ended with {self.process.wait(WAIT_S)}"
        self.port = int(line)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def interrupt(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(WAIT_S)
        self.kill()
        return status


def main() -> None:
    """Serve until told to end."""
    options = ServerOptions(host=sys.argv[1], port=int(sys.argv[2]), policy_name="echo")
    run_server(options, EchoPolicy, lambda port: print(port, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
