"""Serve the simulated lab without ROS: ``python -m spatialbot_sim.serve --help``.

Any libfranka program can drive the robot, any client of the frame link can read the sensors.
"""

import argparse
import signal
import sys

from spatialbot_model.contracts.errors import SpatialBotError
from spatialbot_sim.cell_file import read_cell
from spatialbot_sim.lab import Lab, LabOptions
from spatialbot_sim.tasks import TASKS


def main() -> int:
    """Run until interrupted; exit code 0, or 1 with one line that says what is wrong."""
    defaults = LabOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default=defaults.address, help="loopback address to serve on")
    parser.add_argument("--task", default=defaults.task, choices=sorted(TASKS), help="task")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seed of the scene")
    parser.add_argument(
        "--speed", type=float, default=defaults.speed, help="at most, 1 = real time"
    )
    parser.add_argument("--exact-depth", action="store_true", help="no stereo noise")
    parser.add_argument("--cell", default="", help="cell YAML; default: the shipped one")
    given = parser.parse_args()
    try:
        lab = Lab(
            read_cell(given.cell),
            LabOptions(
                address=given.address,
                task=given.task,
                seed=given.seed,
                speed=given.speed,
                depth_noise=not given.exact_depth,
            ),
        )
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: lab.stop())
        try:
            lab.open()
            sys.stderr.write(f"serving {lab.scene.instruction!r} on {given.address}\n")
            lab.run()
        finally:
            lab.close()
    except SpatialBotError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
