"""A multi-threaded executor that lets its callbacks finish before it goes."""

from concurrent.futures import ThreadPoolExecutor

from rclpy.executors import MultiThreadedExecutor


class DrainingExecutor(MultiThreadedExecutor):
    """As its base, which destroys its guard condition while callbacks still use it.

    They then end with "cannot use Destroyable because destruction was requested". `shutdown` may
    be called only when nothing spins any more.
    """

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        """See the base; what was begun is finished first."""
        pool = getattr(self, "_executor", None)
        if isinstance(pool, ThreadPoolExecutor):
            pool.shutdown(wait=wait_for_threads)
        return bool(super().shutdown(timeout_sec, wait_for_threads=wait_for_threads))
