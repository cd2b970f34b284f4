"""How far simulation time may run ahead of the policy.

Pure: the wall clock is handed in, so that the rule can be tested without waiting.
"""

import math
import threading

from spatialbot_model.contracts.errors import ConfigurationError

_NS_PER_S = 1_000_000_000


class PolicyLagGate:
    """Holds simulation time back while a policy is thinking, so that load changes no result.

    While actions arrive, simulation time may run at most `max_lag_s` ahead of the newest
    observation that an action was computed from. When no action on a newer observation has come
    for `patience_s` of wall time, nobody is acting: the gate opens until the next one.

    `max_lag_s` must leave room for one control period plus one frame period, or the next
    observation can never come and every step costs `patience_s`. `patience_s` must stay below the
    1 s after which libfranka gives up a silent robot.

    All methods may be called from any thread.

    Args:
        max_lag_s: 0 leaves the gate open for ever.

    Raises:
        ConfigurationError: a negative or non-finite limit.
    """

    def __init__(self, max_lag_s: float, patience_s: float = 0.7) -> None:
        for name, value in (("max_lag_s", max_lag_s), ("patience_s", patience_s)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ConfigurationError(f"{name} is {value}, expected a time of 0 s or more")
        self._max_lag_ns = round(max_lag_s * _NS_PER_S)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._newest_ns: int | None = None
        self._wall_s = 0.0

    def on_action(self, observation_stamp_ns: int, wall_s: float) -> None:
        """Note an action and when it came; one on an old observation changes nothing."""
        with self._lock:
            if self._newest_ns is None or observation_stamp_ns > self._newest_ns:
                self._newest_ns = observation_stamp_ns
                self._wall_s = wall_s

    def may_advance(self, sim_time_ns: int, wall_s: float) -> bool:
        """True when the tick that starts at `sim_time_ns` may be simulated now."""
        if self._max_lag_ns == 0:
            return True
        with self._lock:
            if self._newest_ns is None or wall_s - self._wall_s >= self._patience_s:
                return True
            return sim_time_ns - self._newest_ns < self._max_lag_ns

    def clear(self) -> None:
        """Forget all actions: the gate is open until the next one."""
        with self._lock:
            self._newest_ns = None
