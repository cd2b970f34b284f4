"""How torch's threads share the cores with everything else on the machine."""

import os


def wait_passively() -> None:
    """Let torch's idle OpenMP threads sleep instead of spin; call before torch is loaded.

    A robot's policy shares its cores with camera, executor and recorder. Spinning threads made a
    step ten times slower on two busy cores and gain next to nothing on idle ones (measured). What
    the environment says already is respected.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
