"""How a policy client reaches its server, and what it counts."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.serving.credentials import is_loopback
from spatialbot_model.serving.messages import POLICY_PATH
from spatialbot_model.serving.options import DEFAULT_PORT
from spatialbot_model.serving.ssh import SshTarget


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a policy client reaches its server.

    Attributes:
        url: ws://host:port or wss://host:port; with `ssh` as seen from that machine.
        action_spec: what the robot takes an action to mean.
        token: the server's secret, empty for servers without one.
        step_timeout_s: a step that takes longer raises.
        connect_timeout_s: for one attempt to connect, and for `connect` and `start` as a whole.
        backoff_first_s, backoff_limit_s: shortest and longest wait between attempts.
        ca_file: certificates to trust with wss, empty = those of the system.
        ssh: machine to reach the server through.
        allow_unencrypted: use ws:// to another machine without ssh; whoever is in between can
            then read the token and move the arm.

    Raises:
        ConfigurationError: no WebSocket URL, another machine without TLS or ssh, or a time that
            is not positive.
    """

    url: str
    action_spec: ActionSpec
    token: str = field(default="", repr=False)
    step_timeout_s: float = 2.0
    connect_timeout_s: float = 10.0
    backoff_first_s: float = 0.05
    backoff_limit_s: float = 2.0
    ca_file: str = ""
    ssh: SshTarget | None = None
    allow_unencrypted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _complete_url(self.url))
        host, _ = self.server_address
        is_safe = self.is_secure or self.ssh is not None or is_loopback(host)
        if not (is_safe or self.allow_unencrypted):
            raise ConfigurationError(
                f"{self.url} is on another machine and not encrypted, so that the network in"
                " between could move the arm: use wss:// (the server's --certificate), reach it"
                " through ssh, or allow it on a network of your own (allow_unencrypted:=true)"
            )
        for name in ("step_timeout_s", "connect_timeout_s", "backoff_first_s", "backoff_limit_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, expected above 0")

    @property
    def server_address(self) -> tuple[str, int]:
        """Host and port in the URL."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or DEFAULT_PORT)

    @property
    def is_secure(self) -> bool:
        """Whether TLS is asked for."""
        return self.url.startswith("wss://")


@dataclass(slots=True)
class ClientCounters:
    """What a client has seen since it was made.

    Attributes:
        connections: that were made; the first one included.
        steps: answered.
        timeouts: steps without an answer in time.
        holds: steps that raised for want of a connection.
        late_answers: dropped because nobody waited for them any more.
        foreign_answers: dropped because they belong to another session.
        frames_sent: uploaded.
        bytes_sent: payload.
    """

    connections: int = 0
    steps: int = 0
    timeouts: int = 0
    holds: int = 0
    late_answers: int = 0
    foreign_answers: int = 0
    frames_sent: int = 0
    bytes_sent: int = 0


def _complete_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise ConfigurationError(f"the policy server's url {url!r}: {error}") from error
    odd = (
        parts.query or parts.fragment or parts.username or parts.path not in ("", "/", POLICY_PATH)
    )
    if parts.scheme not in ("ws", "wss") or not parts.hostname or odd:
        raise ConfigurationError(
            f"the policy server's url is {url!r}; expected ws://host:port or wss://host:port"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, f"{host}:{port}", POLICY_PATH, "", ""))
