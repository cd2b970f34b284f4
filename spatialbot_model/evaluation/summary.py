"""Sums up trials: success, following of instructions, failures and motion, by group."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from spatialbot_model.contracts.trial import FAILURE_CLASSES, Trial
from spatialbot_model.evaluation.statistics import success_rate

NOTHING_NEW = "as in training"
"""What a novelty of "" is called."""


def summarise_trials(trials: Sequence[Trial]) -> dict[str, Any]:
    """Figures over all trials, by family, by novelty and by both.

    Returns:
        `all`, `families`, `novelty` and `families_novelty`, each made of what `group_figures`
        answers; every rate as ``{successes, n, rate, low, high}`` with its Wilson 95 % interval.
    """
    return {
        "all": group_figures(trials),
        "families": _groups(trials, lambda trial: trial.family),
        "novelty": _groups(trials, novelty_name),
        "families_novelty": _groups(trials, lambda t: f"{t.family}, {novelty_name(t)}"),
    }


def novelty_name(trial: Trial) -> str:
    """What of a trial's scene never occurs in training, in words."""
    return trial.novelty or NOTHING_NEW


def group_figures(trials: Sequence[Trial]) -> dict[str, Any]:
    """Figures of some trials; means are over the trials that have the figure.

    `right_object` is a rate over the trials in which something was lifted, `right_destination`
    over those in which something was lifted and put down. The placement error is that of
    successes.
    """
    failures: Counter[str] = Counter(trial.failure for trial in trials if trial.failure)
    successes = [trial for trial in trials if trial.success]
    figures: dict[str, Any] = {
        "n": len(trials),
        "success": rate_figures(trial.success for trial in trials),
        "right_object": rate_figures(
            trial.right_object for trial in trials if trial.right_object is not None
        ),
        "right_destination": rate_figures(
            trial.right_destination for trial in trials if trial.right_destination is not None
        ),
        "failures": {name: failures[name] for name in FAILURE_CLASSES if failures[name]},
        "endings": dict(sorted(Counter(trial.ending for trial in trials).items())),
        "steps": _mean(trial.steps for trial in trials),
        "steps_of_successes": _mean(trial.steps for trial in successes),
        "placement_error_mm": _mean(trial.placement_error_mm for trial in successes),
        "path_m": _mean(trial.path_m for trial in trials),
        "acceleration_m_s2": _mean(trial.acceleration_m_s2 for trial in trials),
        "jerk_m_s3": _mean(trial.jerk_m_s3 for trial in trials),
        "malformed": sum(trial.num_malformed for trial in trials),
        "unanswered": sum(trial.num_unanswered for trial in trials),
        "policy_ms": _mean(trial.policy_ms for trial in trials),
        "faults": sum(trial.faults for trial in trials),
        "safety_events": sum(trial.safety_events for trial in trials),
        "action_rate_hz": _mean(trial.action_rate_hz for trial in trials),
    }
    originals = [t.original_success for t in trials if t.original_success is not None]
    if originals:
        figures["did_what_was_not_asked"] = rate_figures(originals)
    return figures


def rate_figures(outcomes: Iterable[bool | None]) -> dict[str, float] | None:
    """Wilson 95 % interval of a rate; None without any outcome."""
    values = [bool(outcome) for outcome in outcomes]
    if not values:
        return None
    rate = success_rate(sum(values), len(values))
    return {
        "successes": rate.successes,
        "n": rate.n,
        "rate": round(rate.rate, 6),
        "low": round(rate.low, 6),
        "high": round(rate.high, 6),
    }


def _groups(trials: Sequence[Trial], key: Callable[[Trial], str]) -> dict[str, Any]:
    names = sorted({key(trial) for trial in trials})
    return {name: group_figures([t for t in trials if key(t) == name]) for name in names}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
