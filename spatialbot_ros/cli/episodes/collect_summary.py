"""What a collection has come to, as figures and as words."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spatialbot_sim.collect import JobResult


def summarise(results: Sequence["JobResult"], wall_s: float) -> dict[str, Any]:
    """Figures over all results: counts, rates with 95 % Wilson intervals, speed."""
    from spatialbot_model.evaluation.statistics import success_rate

    done = sorted(
        (result for result in results if not result.skipped), key=lambda result: result.job.seed
    )
    robot_s = sum(result.robot_time_s for result in done)
    families = Counter(result.family for result in done)
    rates = {"all": (sum(r.first_success for r in done), len(done))} | {
        family: (sum(r.first_success for r in done if r.family == family), number)
        for family, number in sorted(families.items())
    }
    return {
        "n": len(results),
        "skipped": len(results) - len(done),
        "successes": sum(result.success for result in results),
        "failed_seeds": [result.job.seed for result in done if not result.success],
        "failures": dict(Counter(r.reason for r in done if not r.success).most_common()),
        "attempts": sum(result.num_attempts for result in done),
        "steps": sum(result.steps for result in done),
        "noise_steps": sum(result.tally.num_noise for result in done),
        "robot_time_s": round(robot_s, 1),
        "wall_time_s": round(wall_s, 1),
        "episodes_per_minute": round(60.0 * len(done) / wall_s, 2),
        "realtime_ratio": round(robot_s / wall_s, 2),
        "first_attempt_success": {
            name: _rate(success_rate(successes, n)) for name, (successes, n) in rates.items() if n
        },
    }


def summarise_glimpses(summary: dict[str, Any], results: Sequence["JobResult"]) -> dict[str, Any]:
    """A summary of glimpses: how many of which moment, in place of rates of success."""
    kept = {name: value for name, value in summary.items() if name != "first_attempt_success"}
    made = (result for result in results if not result.skipped and result.success)
    return kept | {"moments": dict(sorted(Counter(result.moment for result in made).items()))}


def summarise_policy(results: Sequence["JobResult"]) -> dict[str, Any]:
    """How much a policy drove in the last attempts of all scenes, and how it agreed."""
    done = [result for result in results if not result.skipped]
    tallies = [result.tally for result in done]
    steps = sum(result.steps for result in done)
    driven = sum(tally.num_policy for tally in tallies)
    compared = sum(tally.num_compared for tally in tallies)
    off = sum((tally.bins_off for tally in tallies), np.zeros(6, np.int64))
    return {
        "policy_steps": driven,
        "share": round(driven / steps, 4) if steps else None,
        "holds": sum(tally.num_holds for tally in tallies),
        "malformed": sum(tally.num_malformed for tally in tallies),
        "unanswered": sum(tally.num_unanswered for tally in tallies),
        "early_ends": sum(tally.num_early_ends for tally in tallies),
        "compared_with_expert": compared,
        "bins_off": round(float(off.mean()) / compared, 3) if compared else None,
        "bins_off_per_axis": [round(float(v) / compared, 3) for v in off] if compared else None,
        "gripper_off": (
            round(sum(tally.num_gripper_off for tally in tallies) / compared, 4)
            if compared
            else None
        ),
    }


def _rate(rate: Any) -> dict[str, float]:
    return {
        "successes": rate.successes,
        "n": rate.n,
        "rate": round(rate.rate, 4),
        "low": round(rate.low, 4),
        "high": round(rate.high, 4),
    }


def tell(console: Any, summary: dict[str, Any]) -> None:
    """Show a summary to people."""
    there = f"({summary['skipped']} were there already)"
    if "moments" in summary:
        moments = ", ".join(f"{number} {name}" for name, number in summary["moments"].items())
        new = f"; new: {moments}" if moments else ""
        console.print(f"{summary['successes']} glimpses of {summary['n']} scenes {there}{new}")
    else:
        console.print(
            f"{summary['successes']} of {summary['n']} scenes succeeded {there},"
            f" {summary['attempts']} attempts"
        )
    for name, rate in summary.get("first_attempt_success", {}).items():
        console.print(
            f"  first attempt, {name}: {rate['successes']}/{rate['n']}"
            f" ({rate['rate']:.1%}, 95 % interval {rate['low']:.1%} to {rate['high']:.1%})"
        )
    console.print(
        f"{summary['episodes_per_minute']} episodes a minute, {summary['realtime_ratio']} x real"
        f" time{', in ' + summary['output'] if summary['output'] else ''}"
    )
    policy = summary["policy"]
    if policy and policy["policy_steps"]:
        console.print(
            f"the policy drove {policy['policy_steps']} of {summary['steps']} steps"
            f" ({policy['share']:.1%}), {policy['holds']} of them held: {policy['malformed']}"
            f" unreadable, {policy['unanswered']} unanswered, {policy['early_ends']} finished early"
        )
    if policy and policy["compared_with_expert"]:
        console.print(
            f"  it is {policy['bins_off']} bins off the expert, gripper wrong in"
            f" {policy['gripper_off']:.1%}"
        )
