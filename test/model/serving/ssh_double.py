"""A real ssh server on loopback, in a thread, that only forwards ports."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import asyncssh
from policy_doubles import WAIT_S


class _ForwardingServer(asyncssh.SSHServer):
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True


class RunningSshServer:
    """Context manager; keys are generated into `folder`.

    Attributes:
        client_key_file: private key that is let in.
        known_hosts_file: knows this server's host key.
    """

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.port = 0
        self.client_key_file = folder / "id_ed25519"
        self.known_hosts_file = folder / "known_hosts"
        self._authorized_keys_file = folder / "authorized_keys"
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._acceptor: Any = None
        self._connections: list[Any] = []
        client_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key.write_private_key(self.client_key_file)
        self.client_key_file.chmod(0o600)
        client_key.write_public_key(self._authorized_keys_file)

    def __enter__(self) -> "RunningSshServer":
        self._thread.start()
        self._call(self._start())
        public = self._host_key.export_public_key().decode().strip()
        self.known_hosts_file.write_text(f"[{self.host}]:{self.port} {public}\n")
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._call(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(WAIT_S)
            self._loop.close()

    def drop_connections(self) -> None:
        """Cut all connections, as a lost network would."""
        self._call(self._abort())

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    async def _start(self) -> None:
        def make() -> _ForwardingServer:
            server = _ForwardingServer()
            server.connection_made = self._connections.append  # type: ignore[method-assign]
            return server

        self._acceptor = await asyncssh.listen(
            self.host,
            0,
            server_factory=make,
            server_host_keys=[self._host_key],
            authorized_client_keys=str(self._authorized_keys_file),
        )
        self.port = self._acceptor.get_port()

    async def _abort(self) -> None:
        for connection in self._connections:
            connection.abort()
        for connection in self._connections:
            await connection.wait_closed()
        self._connections.clear()

    async def _stop(self) -> None:
        self._acceptor.close()
        await self._abort()
        await self._acceptor.wait_closed()
