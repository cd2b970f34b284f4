"""Measurements behind `spatialbot bench NAME`: figures and their ratio to a named baseline.

A benchmark is a function of its own module; it is imported only when it runs.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.benchmarks.result import BenchmarkResult

__all__ = ["BENCHMARKS", "Benchmark", "BenchmarkResult", "run_benchmark"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One entry of `BENCHMARKS`.

    Attributes:
        description: one line for people: what is measured against what.
        module, function: where it is; called with keyword options only.
    """

    description: str
    module: str
    function: str = "run"

    def options(self) -> dict[str, Any]:
        """What can be set, with the defaults, whose types are the options' types."""
        parameters = inspect.signature(self._load()).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    def parse_options(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Options from a command line.

        Raises:
            UnknownNameError: there is no such option; lists those that are.
            ConfigurationError: not of the option's type.
        """
        defaults = self.options()
        parsed: dict[str, Any] = {}
        for name, text in texts.items():
            if name not in defaults:
                raise UnknownNameError("option", name, defaults)
            kind = type(defaults[name])
            try:
                parsed[name] = kind(text)
            except ValueError as error:
                raise ConfigurationError(f"{name}={text} is no {kind.__name__}") from error
        return parsed

    def __call__(self, **options: Any) -> BenchmarkResult:
        """Measure; may take minutes.

        Raises:
            ConfigurationError: it returned something else than a `BenchmarkResult`.
        """
        result = self._load()(**options)
        if not isinstance(result, BenchmarkResult):
            raise ConfigurationError(
                f"{self.module}.{self.function} returned {type(result).__name__}, expected a"
                " BenchmarkResult"
            )
        return result

    def _load(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(importlib.import_module(self.module), self.function)
        return function


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "codec": Benchmark(
            "depth codec, 640x480: milliseconds against the released numpy expression",
            "spatialbot_ros.benchmarks.codec",
        ),
        "inference": Benchmark(
            "one control step of the model: milliseconds of the engine against plain generate()"
            " on the same weights",
            "spatialbot_ros.benchmarks.inference",
        ),
        "collect": Benchmark(
            "episodes of the scripted expert, rendered and written: speed against robot time",
            "spatialbot_ros.benchmarks.collect",
        ),
        "recorder": Benchmark(
            "two 640x480 RGB-D streams at 30 Hz: messages lost, and MB/s against a plain file",
            "spatialbot_ros.benchmarks.recorder",
        ),
        "loader": Benchmark(
            "training samples from bags: samples a second against reading the bags with rosbags",
            "spatialbot_ros.benchmarks.loader",
        ),
        "stop": Benchmark(
            "request to stop until zero commanded velocity, in robot time: against the least that"
            " the FR3's joint acceleration limit allows",
            "spatialbot_ros.benchmarks.stop",
        ),
        "faults": Benchmark(
            "hostile actions through the executor on simulated robots, FR3 limits checked at 1 kHz:"
            " simulated time against real time",
            "spatialbot_ros.benchmarks.faults",
        ),
        "strict": Benchmark(
            "streams of demo actions to franka-sim, which aborts what the FCI would: accepted"
            " streams against all",
            "spatialbot_ros.benchmarks.strict",
        ),
        "injected_faults": Benchmark(
            "faults of robot, camera and policy injected into pick and place: recovery in robot"
            " time against the 200 ms that are allowed",
            "spatialbot_ros.demo.injected_faults",
        ),
        "fuzz": Benchmark(
            "answers, depth calls, bags, messages and configuration files, fuzzed: readers without"
            " an undeclared error against all",
            "spatialbot_ros.benchmarks.fuzz",
        ),
        "kills": Benchmark(
            "each node killed during pick and place, started again, and the work goes on: time to"
            " rest in robot time against a control period",
            "spatialbot_ros.benchmarks.kills",
        ),
        "qa": Benchmark(
            "questions about pictures: items a second against a plain loop, memory, killed runs",
            "spatialbot_ros.benchmarks.qa",
        ),
        "train": Benchmark(
            "training of the mini policy: samples a second from cached features against encoding"
            " every image as it comes",
            "spatialbot_ros.benchmarks.train",
        ),
        "camera_faults": Benchmark(
            "camera faults during pick and place: detection, rest and recovery in robot time"
            " against the faults' own duration",
            "spatialbot_ros.demo.camera_faults",
        ),
        "transport": Benchmark(
            "camera images across processes: frames lost and latency of the shipped Fast DDS"
            " profile against the default one",
            "spatialbot_ros.benchmarks.transport",
        ),
    }
)


def run_benchmark(name: str, **options: Any) -> BenchmarkResult:
    """Run one by name.

    Raises:
        UnknownNameError: there is none of this name; lists those that are.
    """
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name](**options)
