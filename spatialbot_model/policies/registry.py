"""Policies by name. A new policy is one file and one line here."""

from collections.abc import Callable

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.policies.base import Policy, PolicyConfig


def _classical(config: PolicyConfig) -> Policy:
    from spatialbot_model.policies.classical.policy import ClassicalPolicy

    return ClassicalPolicy(config)


def _local(config: PolicyConfig) -> Policy:
    from spatialbot_model.policies.local import LocalPolicy

    return LocalPolicy.open(config)


def _remote(config: PolicyConfig) -> Policy:
    from spatialbot_model.policies.remote import RemotePolicy

    return RemotePolicy(config)


POLICIES: dict[str, Callable[[PolicyConfig], Policy]] = {
    "classical": _classical,
    "local": _local,
    "remote": _remote,
}


def make_policy(name: str, config: PolicyConfig) -> Policy:
    """Create a policy.

    Raises:
        UnknownNameError: lists the names that are known.
        ActionSpecMismatchError: the policy was made for another robot configuration.
    """
    if name not in POLICIES:
        raise UnknownNameError("policy", name, POLICIES)
    return POLICIES[name](config)
