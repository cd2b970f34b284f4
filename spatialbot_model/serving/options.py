"""How a policy server is set up."""

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.serving.credentials import is_loopback

DEFAULT_PORT = 8765


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a policy server is reached and what it allows.

    Attributes:
        host: address to bind to; anything but loopback needs a token and TLS.
        port: 0 = any free one.
        policy_name: for people, in health and welcome.
        token: the secret that clients must show, empty = none asked for.
        certificate_file, private_key_file: PEM files for TLS, both or none.
        allow_unencrypted: serve other machines without TLS; a network in between can then read
            the token and move the arm.
        max_sessions: clients at a time.
        step_timeout_s: a step that takes longer is answered with a time-out.
        idle_timeout_s: a session without a request for so long is closed.
        hello_timeout_s: a connection must say hello within this time.
        grace_s: how long closing waits for a running policy call.

    Raises:
        ConfigurationError: a number that cannot be used, or another address without token or TLS.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    policy_name: str = "policy"
    token: str = field(default="", repr=False)
    certificate_file: str = ""
    private_key_file: str = ""
    allow_unencrypted: bool = False
    max_sessions: int = 8
    step_timeout_s: float = 10.0
    idle_timeout_s: float = 600.0
    hello_timeout_s: float = 10.0
    grace_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise ConfigurationError(
                f"a policy server on {self.host} can be reached by other machines and needs a"
                " token: name a token file, or bind to 127.0.0.1 and reach it through ssh"
            )
        if not (self.certificate_file or self.allow_unencrypted or is_loopback(self.host)):
            raise ConfigurationError(
                f"a policy server on {self.host} without a certificate would send the token and"
                " the robot's actions unencrypted: name a certificate and its private key, bind to"
                " 127.0.0.1 and reach it through ssh, or allow it on a network of your own"
                " (--allow-unencrypted)"
            )
        for name in ("step_timeout_s", "idle_timeout_s", "hello_timeout_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, expected above 0")
        if self.max_sessions < 1 or not 0 <= self.port <= 65535:
            raise ConfigurationError(
                f"max_sessions is {self.max_sessions} and port {self.port}; expected at least one"
                " session and a port of 0..65535"
            )


def software_name() -> str:
    """Name and version of this software, for the other side's logs."""
    try:
        return f"spatialbot {version('spatialbot_ros')}"
    except PackageNotFoundError:
        return "spatialbot (not installed)"
