"""How torch's threads share the cores with everything else on the machine."""

import os

from spatialbot_model.contracts.errors import ConfigurationError


def wait_passively() -> None:
    """Let torch's idle OpenMP threads sleep instead of spin; call before torch is loaded.

    A robot's policy shares its cores with camera, executor and recorder. Spinning threads made a
    step ten times slower on two busy cores and gain next to nothing on idle ones (measured). What
    the environment says already is respected.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def use_threads(num_threads: int) -> None:
    """Let torch compute on so many cores; 0 = all that this process may use.

    Raises:
        ConfigurationError: a negative number.
    """
    import torch

    if num_threads < 0:
        raise ConfigurationError(f"num_threads is {num_threads}, expected 0 (all cores) or more")
    torch.set_num_threads(num_threads or len(os.sched_getaffinity(0)))
