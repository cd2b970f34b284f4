"""The general benchmarks by name."""

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.evaluation.vlm.benchmark import Benchmark
from spatialbot_model.evaluation.vlm.gqa import Gqa
from spatialbot_model.evaluation.vlm.mmbench import MmBench
from spatialbot_model.evaluation.vlm.mme import Mme
from spatialbot_model.evaluation.vlm.pope import Pope
from spatialbot_model.evaluation.vlm.seed import SeedBench
from spatialbot_model.evaluation.vlm.vqav2 import VqaV2

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (Mme(), MmBench(), SeedBench(), VqaV2(), Gqa(), Pope())
}


def benchmark_of(name: str) -> Benchmark:
    """A benchmark.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
