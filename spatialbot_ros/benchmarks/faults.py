"""Hostile actions through the real executor, and the FR3's limits checked every millisecond."""

import ipaddress
import time
from collections import Counter
from functools import reduce

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_ros.benchmarks.fault_run import FaultAccount, run_faults
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.limit_checker import LimitReport


def run(
    actions: int = 2000, seed: int = 0, servers: int = 1, address: str = "127.0.0.75"
) -> BenchmarkResult:
    """Send random and adversarial actions to simulated robots that are served side by side.

    The ratio is simulated time to wall time. Broken actions count as rejected only when an event
    says so.

    Args:
        actions: of all robots together.
        seed: of the actions; robot k has seed + k.
        servers: robots at a time, each at an address of its own from `address` upwards.
        address: loopback address of the first robot.

    Raises:
        ConfigurationError: nothing to do, or no such address.
    """
    if actions < servers or servers < 1:
        raise ConfigurationError(
            f"{actions} actions on {servers} servers; expected at least one each"
        )
    first = int(ipaddress.IPv4Address(address))
    addresses = [str(ipaddress.IPv4Address(first + k)) for k in range(servers)]
    share = [actions // servers + (k < actions % servers) for k in range(servers)]
    seeds = [seed + k for k in range(servers)]
    begun_s = time.monotonic()
    if servers == 1:
        accounts = [run_faults(address, actions, seed)]
    else:
        with worker_pool(servers) as pool:
            accounts = list(pool.map(run_faults, addresses, share, seeds))
    wall_s = time.monotonic() - begun_s
    return BenchmarkResult(
        name="faults",
        figures=_figures(accounts, wall_s),
        baseline="real time",
        ratio=round(sum(a.robot_s for a in accounts) / wall_s, 3),
        n=actions,
    )


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
