#!/usr/bin/env python3
"""franka-sim's strict FR3 on a loopback address; run by .strict-venv's python.

    .strict-venv/bin/python tools/strict_server.py 127.0.0.77 arm.xml

It aborts motions as the real FCI does: discontinuous or too fast commands, and 20 lost cycles
in a row. Prints ``ready`` when it serves, ends at the end of its input. Its log goes to standard
error.
"""

import argparse
import ipaddress
import logging
import sys
import threading
import time
from pathlib import Path

import numpy as np
from franka_sim import FrankaSimServer
from franka_sim.mujoco_franka_sim import MujocoFrankaSim

# franka-sim takes joint 7 for the flange: from there to the tool centre point of a Franka hand
_TOOL_Z_M = 0.107 + 0.1034
_TURN_RAD = -np.pi / 4.0


class StrictServer(FrankaSimServer):
    """With a hand configured, as Desk would, and nothing that listens beyond its address."""

    def reset_state(self) -> None:
        """Every connection begins with the same tool."""
        super().reset_state()
        cos, sin = float(np.cos(_TURN_RAD)), float(np.sin(_TURN_RAD))
        tool = [cos, sin, 0, 0, -sin, cos, 0, 0, 0, 0, 1, 0, 0, 0, _TOOL_Z_M, 1]
        self.robot_state.state["F_T_NE"] = [float(v) for v in tool]
        self._refresh_ee_transform()


def main() -> int:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("address", type=ipaddress.IPv4Address)
    parser.add_argument("model", type=Path, help="MuJoCo model of the bare arm")
    given = parser.parse_args()
    if not given.address.is_loopback:
        parser.error(f"{given.address} is no loopback address")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    arm = MujocoFrankaSim(model_path=given.model)
    server = StrictServer(
        host=str(given.address),
        physics_sim=arm,
        enforce_comm_constraints=True,
        enforce_motion_limits=True,
    )
    threading.Thread(target=_announce_and_wait, args=(server, arm), daemon=True).start()
    server.start()
    return 0


def _announce_and_wait(server: FrankaSimServer, arm: MujocoFrankaSim) -> None:
    while not arm.running:
        time.sleep(0.05)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()
    arm.stop()


if __name__ == "__main__":
    raise SystemExit(main())
