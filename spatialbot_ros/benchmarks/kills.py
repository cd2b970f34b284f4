"""Every node killed once (SIGKILL) during a recorded pick and place, the arm watched at 1 kHz."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from spatialbot_ros.benchmarks.kill_run import HOLDS, KillAccount, kill_node
from spatialbot_ros.benchmarks.kill_stack import KillStack
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.nodes.lab_client import LabClient

ALL_NODES = "camera,vla,depth_service,recorder,viewer,executor,simulation"
_READY_S = 120.0
_CONTROL_PERIOD_MS = 100.0


def run(
    nodes: str = ALL_NODES,
    seed: int = 0,
    quick: int = 0,
    address: str = "127.0.0.77",
    output: str = "",
) -> BenchmarkResult:
    """Kill nodes one after the other in one running suite, start each again, go on working.

    Args:
        nodes: by name, with commas between them.
        seed: of scenes and of the moments; node k has seed + k.
        quick: 1 lets the next instruction be a few steps instead of the whole task.
        address: loopback address for the simulated robot.
        output: folder for logs, episodes and `kills.jsonl`; empty = a temporary one.
    """
    names = [name.strip() for name in nodes.split(",") if name.strip()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(output or temporary)
        accounts = run_kills(names, seed, bool(quick), address, folder)
    held = [a for a in accounts if a.name in HOLDS]
    longest_ms = max((a.rest_ms for a in held), default=0.0)
    return BenchmarkResult(
        name="kills",
        figures={
            "killed": float(len(accounts)),
            "arm_held": float(sum(a.held for a in held)),
            "arm_had_to_hold": float(len(held)),
            "moved_max_mm": round(max((a.moved_mm for a in held), default=0.0), 2),
            "next_instruction_done": float(sum(a.next_ok for a in accounts)),
            **{f"{a.name}_rest_ms": round(a.rest_ms, 1) for a in held},
            **{f"{a.name}_coasted_mm": round(a.coasted_mm, 2) for a in held},
            **{f"{a.name}_relaunch_s": round(a.relaunch_s, 1) for a in accounts},
            **{f"{a.name}_problems": float(len(a.problems)) for a in accounts},
        },
        baseline="one control period of 100 ms",
        ratio=round(_CONTROL_PERIOD_MS / max(longest_ms, 1.0), 3),
        n=len(accounts),
    )


def run_kills(
    names: list[str], seed: int, quick: bool, address: str, folder: Path
) -> list[KillAccount]:
    """The accounts, also as lines of `kills.jsonl` in the folder; see `run`."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = {
        "robot_ip": address,
        "record_directory": str(folder / "episodes"),
        "seed": str(seed),
    }
    if "viewer" in names:
        arguments |= {"viewer": "rerun", "viewer_path": str(folder / "viewer.rrd")}
    accounts = []
    with KillStack(arguments, folder) as stack, LabClient(stack.check) as lab:
        lab.wait_ready(_READY_S, recorder=True)
        for k, name in enumerate(names):
            account = kill_node(stack, lab, name, seed + k, quick)
            accounts.append(account)
            with (folder / "kills.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(account)) + "\n")
    return accounts
