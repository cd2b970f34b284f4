"""Hostile actions through the real executor, and the FR3's limits checked every millisecond."""

import ipaddress
import json
import time
from collections import Counter
from contextlib import ExitStack
from functools import reduce
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_ros.benchmarks.fault_run import FaultAccount, run_faults
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.limit_checker import LimitReport

_PIECE = 500


def run(
    actions: int = 2000,
    seed: int = 0,
    servers: int = 1,
    address: str = "127.0.0.75",
    output: str = "out/faults",
    seconds: float = 0.0,
) -> BenchmarkResult:
    """Send random and adversarial actions to simulated robots.

    They are sent in pieces of 500, each to a robot of its own that starts at home. What an
    interrupted run has finished is not run again. The ratio is simulated time to wall time. Broken
    actions count as rejected only when an event says so.

    Args:
        actions: of all pieces together.
        seed: of the actions; piece k has seed + k.
        servers: robots at a time, each at an address of its own from `address` upwards.
        address: loopback address of the first robot.
        output: folder for `faults_seed*.jsonl`, a line for each piece, and for the logs of those
            in which a limit was broken.
        seconds: begin no piece after this time; 0 = run all. The figures are those of the
            finished pieces.

    Raises:
        ConfigurationError: nothing to do, no such address, or the folder holds another run.
    """
    if actions < servers or servers < 1:
        raise ConfigurationError(
            f"{actions} actions on {servers} servers; expected at least one each"
        )
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    accounts = _run_pieces(
        folder / f"faults_seed{seed}.jsonl", actions, seed, servers, address, seconds
    )
    wall_s = sum(account.wall_s for account in accounts)
    return BenchmarkResult(
        name="faults",
        figures=_figures(accounts, wall_s),
        baseline="real time",
        ratio=round(sum(a.robot_s for a in accounts) / wall_s, 3),
        n=sum(account.sent for account in accounts),
    )


def _run_pieces(
    path: Path, actions: int, seed: int, servers: int, address: str, seconds: float
) -> list[FaultAccount]:
    """Accounts of all pieces that are finished, in order."""
    sizes = [min(_PIECE, actions - first) for first in range(0, actions, _PIECE)]
    accounts = _read(path)[: len(sizes)]
    if [account.sent for account in accounts] != sizes[: len(accounts)]:
        raise ConfigurationError(f"{path} holds pieces of another run; choose another folder")
    first_address = int(ipaddress.IPv4Address(address))
    addresses = [str(ipaddress.IPv4Address(first_address + k)) for k in range(servers)]
    begun_s = time.monotonic()
    with ExitStack() as stack:
        pool = stack.enter_context(worker_pool(servers)) if servers > 1 else None
        while len(accounts) < len(sizes):
            if seconds and accounts and time.monotonic() - begun_s >= seconds:
                break
            batch = sizes[len(accounts) : len(accounts) + servers]
            seeds = [seed + len(accounts) + k for k in range(len(batch))]
            run_each = map if pool is None else pool.map
            new = list(run_each(run_faults, addresses, batch, seeds, [path.parent] * len(batch)))
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(account.to_mapping()) + "\n" for account in new)
            accounts += new
    return accounts


def _read(path: Path) -> list[FaultAccount]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [FaultAccount.from_mapping(json.loads(line)) for line in lines]


def _figures(accounts: list[FaultAccount], wall_s: float) -> dict[str, float]:
    limits = reduce(LimitReport.merged, (account.limits for account in accounts))
    events: Counter[str] = sum((account.events for account in accounts), Counter())
    figures: dict[str, float] = {
        "actions": sum(a.sent for a in accounts),
        "refused": sum(a.refused for a in accounts),
        "broken": sum(a.broken_sent for a in accounts),
        "broken_followed": sum(a.broken_followed for a in accounts),
        "unanswered": sum(a.unanswered for a in accounts),
        "stops": sum(a.stops for a in accounts),
        "moved_while_stopped": sum(a.moved_while_stopped for a in accounts),
        "faults": sum(a.faults for a in accounts),
        "lost_connections": sum(a.lost_connections for a in accounts),
        "robot_s": round(sum(a.robot_s for a in accounts), 1),
        "wall_s": round(wall_s, 1),
        "ticks": limits.num_ticks,
        "missed_ticks": limits.num_missed,
        "limit_violations": limits.num_violations,
    }
    figures |= {f"violations_{name}": count for name, count in limits.violations.items()}
    figures |= {f"peak_{name}": round(peak, 4) for name, peak in limits.peaks.items()}
    figures |= {f"event_{name}": count for name, count in sorted(events.items())}
    return figures
