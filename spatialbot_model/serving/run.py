"""Runs a policy server as a process: until it is told to end."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

from spatialbot_model.serving.options import ServerOptions
from spatialbot_model.serving.server import PolicyServer
from spatialbot_model.serving.sessions import MakePolicy


def run_server(
    options: ServerOptions,
    make_policy: MakePolicy,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; call from the main thread.

    Args:
        options: address, token and limits.
        make_policy: makes the policy of each session, in the session's own thread. It has to be
            quick, clients wait for it when they connect: load weights before and share them.
        on_ready: called with the port once clients can connect.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    asyncio.run(_serve(PolicyServer(options, make_policy), on_ready))


async def _serve(server: PolicyServer, on_ready: Callable[[int], None] | None) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # a loop outside of the main thread, or on another system, cannot have handlers
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, ending.set)
    await server.start()
    try:
        if on_ready is not None:
            on_ready(server.port)
        await ending.wait()
    finally:
        await server.stop()
