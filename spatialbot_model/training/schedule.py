"""The learning rate over the steps: linear warm-up, then half a cosine."""

import math


def learning_rate_factor(step: int, steps: int, warmup: float, final: float) -> float:
    """Share of the largest learning rate at a step, counted from 0.

    Grows linearly to 1 over `warmup` of the steps, and falls to `final` at the last one.
    """
    num_warm = round(steps * warmup)
    if step < num_warm:
        return (step + 1) / num_warm
    progress = min(1.0, (step - num_warm) / max(1, steps - 1 - num_warm))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))
