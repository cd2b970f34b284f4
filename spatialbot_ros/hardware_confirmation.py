"""A real arm moves only for somebody who says that the safety notes were read.

Pure. A simulated arm, and any address that reaches this machine only, needs no confirmation.
"""

import ipaddress

from spatialbot_model.contracts.errors import ConfigurationError

CONFIRMATION = "i_have_read_the_safety_notes"
"""Name of the launch argument and of the executor's parameter."""

FIRST_SPEED_FACTOR = 0.2
"""Of a real arm, until somebody asks for more."""


def is_hardware(robot: str, address: str) -> bool:
    """Whether this arm may be a real one: any but the one in memory, off loopback."""
    if robot == "memory":
        return False
    if address.strip().lower() == "localhost":
        return False
    try:
        return not ipaddress.ip_address(address.strip()).is_loopback
    except ValueError:
        # a host name; whatever it stands for, it is not certain to be this machine
        return True


def check_hardware_confirmed(robot: str, address: str, confirmed: bool) -> None:
    """Refuse to command a real arm without confirmation.

    Raises:
        ConfigurationError: says what to read and what to add.
    """
    if is_hardware(robot, address) and not confirmed:
        raise ConfigurationError(
            f"{address!r} may be a real robot. Read docs/safety.md and go through its checklist"
            f" at the machine, then start with {CONFIRMATION}:=true"
        )


def speed_factor_of(robot: str, address: str, asked: float) -> float:
    """The share of the speed limits to use; 0 asks for the default, which hardware has lower.

    Raises:
        ConfigurationError: not 0 and not in [0.05, 1].
    """
    if asked == 0.0:
        return FIRST_SPEED_FACTOR if is_hardware(robot, address) else 1.0
    if not 0.05 <= asked <= 1.0:
        raise ConfigurationError(
            f"speed_factor is {asked}, expected 0 for the default or a value in [0.05, 1]"
        )
    return asked
