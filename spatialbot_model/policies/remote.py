"""A policy that runs behind a policy server; see `serving/`."""

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.serving.client import PolicyClient
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.credentials import read_token
from spatialbot_model.serving.options import DEFAULT_PORT
from spatialbot_model.serving.ssh import SshTarget


class RemotePolicy:
    """Implements `policies.base.Policy`; connects when the first instruction starts.

    Raises:
        ConfigurationError: url, ssh target or token file cannot be used.
    """

    def __init__(self, config: PolicyConfig) -> None:
        if not config.url and not config.ssh:
            raise ConfigurationError(
                "the remote policy needs the address of its server: url:=ws://host:port, or"
                " ssh:=user@host for a server on that machine's loopback"
            )
        options = ClientOptions(
            url=config.url or f"ws://127.0.0.1:{DEFAULT_PORT}",
            action_spec=config.action_spec,
            token=read_token(config.token_file),
            ca_file=config.ca_file,
            allow_unencrypted=config.allow_unencrypted,
            step_timeout_s=config.timeout_s,
            ssh=SshTarget.parse(config.ssh) if config.ssh else None,
        )
        self._client = PolicyClient(options)

    @property
    def resumes_from_frames(self) -> bool:
        """See `base.resumes_from_frames`; what the server said of its policy when last asked."""
        return self._client.resumes_from_frames

    def start(self, instruction: str) -> None:
        """See `Policy.start`; waits for the server.

        Raises:
            PolicyConnectionError: the server cannot be reached.
            ActionSpecMismatchError: its policy was made for another robot configuration.
        """
        self._client.start(instruction)

    def step(self, observation: Observation) -> PolicyStep:
        """See `Policy.step`."""
        return self._client.step(observation)

    def close(self) -> None:
        """See `Policy.close`."""
        self._client.close()
