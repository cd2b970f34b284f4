"""A policy server in a thread of the test process, and ways to talk to it."""

import asyncio
import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from own_address import own_address
from policy_doubles import WAIT_S, EchoPolicy

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.policies.base import Policy
from spatialbot_model.serving.client import PolicyClient
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.options import ServerOptions
from spatialbot_model.serving.server import PolicyServer


class RunningServer:
    """Context manager: the server listens from enter to exit."""

    def __init__(
        self, make_policy: Callable[[ActionSpec], Policy] | None = None, **options: Any
    ) -> None:
        self.policies: list[Policy] = []
        self._make = make_policy or EchoPolicy
        options = {"host": own_address(), "port": 0, "policy_name": "double", **options}
        self.options = ServerOptions(**options)
        self.server = PolicyServer(self.options, self._make_and_keep)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def _make_and_keep(self, spec: ActionSpec) -> Policy:
        policy = self._make(spec)
        self.policies.append(policy)
        return policy

    def __enter__(self) -> "RunningServer":
        self._thread.start()
        try:
            self.call(self.server.start())
        except BaseException:
            self._end()
            raise
        self.port = self.server.port
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.call(self.server.stop())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    def call(self, coroutine: Any) -> Any:
        """Run a coroutine on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    @property
    def address(self) -> str:
        return f"{self.options.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"ws://{self.address}"

    def client_options(self, **options: Any) -> ClientOptions:
        """Options of a client of this server; patient, but quick to come back."""
        defaults = ClientOptions(self.url, ActionSpec(), step_timeout_s=WAIT_S, backoff_limit_s=0.1)
        return replace(defaults, **options)

    def client(self, **options: Any) -> PolicyClient:
        """A client that is not connected yet."""
        return PolicyClient(self.client_options(**options))

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body of a plain HTTP GET."""
        connection = http.client.HTTPConnection(self.options.host, self.port, timeout=WAIT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
            return response.status, response.headers["Content-Type"], body
        finally:
            connection.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that another thread brings about."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"never: {what}"
        threading.Event().wait(0.002)
