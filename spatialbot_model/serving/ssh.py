"""The policy server through ssh: a port on this machine's loopback, forwarded to the server's.

The paper's robot reaches its model machine this way. The server stays on loopback over there and
needs no open port; ssh encrypts and checks who is who. The host key is always checked against
known_hosts, whatever the user's ssh configuration says, and passwords are never asked for.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from spatialbot_model.contracts.errors import ConfigurationError, PolicyConnectionError

_TARGET = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9A-Fa-f:]+\]|[^@:\s\[\]]+)(?::(?P<port>\d+))?"
)
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
_KEEPALIVE_S = 5.0


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A machine to log in to.

    Attributes:
        host: name or address; a `Host` of the user's ssh configuration is resolved.
        user: empty = as ssh would.
        port: 0 = as ssh would, normally 22.
        known_hosts_file: trusted host keys, empty = the user's and the system's.
        key_files: private keys, empty = the agent's and the user's own.
    """

    host: str
    user: str = ""
    port: int = 0
    known_hosts_file: str = ""
    key_files: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "SshTarget":
        """Read ``[user@]host[:port]``; an IPv6 address goes in brackets.

        Raises:
            ConfigurationError: not of this form.
        """
        match = _TARGET.fullmatch(text.strip())
        port = int(match["port"] or 0) if match else 0
        # a name that begins with a dash is an option in disguise
        if match is None or port > 65535 or text.strip().startswith("-"):
            raise ConfigurationError(f"ssh target is {text!r}, expected [user@]host[:port]")
        return cls(match["host"].strip("[]"), match["user"] or "", port)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"


class SshTunnel:
    """One local port that leads to a port of the other machine; `open` it first."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._connection: asyncssh.SSHClientConnection | None = None
        self._listener: asyncssh.SSHListener | None = None

    @property
    def is_open(self) -> bool:
        """Whether the ssh connection stands."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self, server_host: str, server_port: int, timeout_s: float) -> int:
        """Log in and forward; returns the local port on 127.0.0.1.

        Args:
            server_host, server_port: the policy server as seen from the other machine.

        Raises:
            ConfigurationError: unknown host key, no accepted key; says what to do.
            PolicyConnectionError: the machine cannot be reached.
        """
        await self.close()
        target = self._target
        try:
            options = asyncssh.SSHClientConnectionOptions(**self._options(timeout_s))
            self._connection = await asyncssh.connect(target.host, options=options)
            self._listener = await self._connection.forward_local_port(
                "127.0.0.1", 0, server_host, server_port
            )
        except asyncssh.HostKeyNotVerifiable as error:
            await self.close()
            raise ConfigurationError(
                f"the host key of {target} is not the one in {self._known_hosts_names()}, or there"
                f" is none: {error.reason}. Log in once with ssh and compare the fingerprint"
            ) from error
        except asyncssh.PermissionDenied as error:
            await self.close()
            raise ConfigurationError(
                f"{target} accepts none of the keys: {error.reason}. Load one into the ssh agent,"
                " or append its public half to authorized_keys there; passwords are not used"
            ) from error
        except (OSError, asyncssh.Error) as error:
            await self.close()
            raise PolicyConnectionError(f"no ssh connection to {target}: {error}") from error
        except ValueError as error:
            await self.close()
            raise ConfigurationError(f"the ssh keys for {target} are unusable: {error}") from error
        return self._listener.get_port()

    async def close(self) -> None:
        """End forwarding and connection; allowed more than once."""
        listener, self._listener = self._listener, None
        connection, self._connection = self._connection, None
        if listener is not None:
            listener.close()
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    def _options(self, timeout_s: float) -> dict[str, Any]:
        target = self._target
        options: dict[str, Any] = {
            "known_hosts": self._read_known_hosts(),
            "preferred_auth": "publickey",
            "password_auth": False,
            "kbdint_auth": False,
            "connect_timeout": timeout_s,
            "login_timeout": timeout_s,
            "keepalive_interval": _KEEPALIVE_S,
            "keepalive_count_max": 2,
        }
        if target.user:
            options["username"] = target.user
        if target.port:
            options["port"] = target.port
        if target.key_files:
            options["client_keys"] = [str(Path(key).expanduser()) for key in target.key_files]
        return options

    def _read_known_hosts(self) -> bytes:
        """Contents, not names: an ssh configuration that names no file would trust everybody."""
        names = [self._target.known_hosts_file] if self._target.known_hosts_file else _KNOWN_HOSTS
        found = [path for path in (Path(name).expanduser() for name in names) if path.is_file()]
        if self._target.known_hosts_file and not found:
            raise ConfigurationError(f"known_hosts file {names[0]} does not exist")
        # asyncssh takes empty contents for "look in the usual place"
        return b"# trusted host keys\n" + b"\n".join(path.read_bytes() for path in found)

    def _known_hosts_names(self) -> str:
        return self._target.known_hosts_file or " or ".join(_KNOWN_HOSTS)
