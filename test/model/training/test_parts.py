"""Schedule, average, draws, prefetch, recipe, metrics: the parts of the loop alone."""

import math
import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spatialbot_model.contracts.action_spec import ACTION_NAMES, ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.training.ema import AveragedWeights
from spatialbot_model.training.metrics import MeanMetrics, error_metrics, means_of
from spatialbot_model.training.optimizer import make_optimizer, set_learning_rate
from spatialbot_model.training.prefetch import Prefetcher
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.recipes import RECIPES, describe_recipe, make_recipe
from spatialbot_model.training.sampling import WeightedDraws, batch_seed
from spatialbot_model.training.schedule import learning_rate_factor
from spatialbot_model.training.sources import DataSource
from spatialbot_model.training.validation import is_held_out


def test_the_rate_warms_up_and_falls_like_a_cosine() -> None:
    factors = [learning_rate_factor(step, 100, 0.1, 0.02) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    assert factors[10] == 1.0 and factors[99] == pytest.approx(0.02)
    halfway = learning_rate_factor(55, 101, 0.1, 0.0)
    assert halfway == pytest.approx(0.5 * (1 + math.cos(math.pi * 45 / 90)))
    assert all(a >= b for a, b in pairwise(factors[10:]))
    assert learning_rate_factor(0, 1, 0.0, 0.5) == 1.0


def test_groups_have_their_own_rate_and_decay() -> None:
    parameters = {
        "projector.weight": nn.Parameter(torch.zeros(2, 2)),
        "language_model.weight": nn.Parameter(torch.zeros(2, 2)),
        "language_model.norm": nn.Parameter(torch.zeros(2)),
    }
    recipe = Recipe("r", "t", "p", learning_rate=1e-3, projector_learning_rate=1e-4, steps=10)
    optimizer = make_optimizer(parameters, recipe)
    found = {
        name: (group["largest_lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for name, parameter in parameters.items()
        if any(parameter is member for member in group["params"])
    }
    assert found == {
        "projector.weight": (1e-4, 0.05),
        "language_model.weight": (1e-3, 0.05),
        "language_model.norm": (1e-3, 0.0),
    }
    set_learning_rate(optimizer, 9, recipe)
    rates = [group["lr"] / group["largest_lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([recipe.final_learning_rate] * 3)


def test_the_average_follows_and_steps_aside() -> None:
    weight = nn.Parameter(torch.zeros(3))
    average = AveragedWeights({"w": weight}, 0.99)
    expected = 0.0
    for step in range(20):
        with torch.no_grad():
            weight.fill_(float(step + 1))
        average.update(step)
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)
    torch.testing.assert_close(average.average["w"], torch.full((3,), expected))
    with average.in_place():
        torch.testing.assert_close(weight.data, torch.full((3,), expected))
    assert torch.equal(weight.data, torch.full((3,), 20.0))


@given(
    weights=st.lists(st.floats(0, 100), min_size=1, max_size=30).filter(any),
    seed=st.integers(0, 2**32),
    step=st.integers(0, 10**6),
)
def test_draws_depend_on_seed_step_and_rank_only(
    weights: list[float], seed: int, step: int
) -> None:
    draws = WeightedDraws(np.array(weights), seed)
    indices = draws.indices(step, 32)
    assert np.array_equal(indices, WeightedDraws(np.array(weights), seed).indices(step, 32))
    assert all(weights[index] > 0 for index in indices)


def test_draws_follow_the_weights_and_differ() -> None:
    draws = WeightedDraws(np.array([1.0, 0.0, 3.0]), 0)
    found = np.concatenate([draws.indices(step, 100) for step in range(100)])
    assert np.mean(found == 2) == pytest.approx(0.75, abs=0.02)
    assert not np.array_equal(draws.indices(0, 50), draws.indices(1, 50))
    assert not np.array_equal(draws.indices(0, 50), draws.indices(0, 50, rank=1))
    seeds = {
        batch_seed(0, step, rank, micro) for step in range(9) for rank in (0, 1) for micro in (0, 1)
    }
    assert len(seeds) == 36


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], [float("nan")], [[1.0]]])
def test_weights_that_mean_nothing_are_refused(weights: list) -> None:
    with pytest.raises(ConfigurationError, match="weights"):
        WeightedDraws(np.array(weights), 0)


def test_batches_come_in_order_and_never_too_many_ahead() -> None:
    started: list[int] = []
    proceed = threading.Event()

    def job(number: int) -> Callable[[], dict]:
        def make() -> dict:
            started.append(number)
            assert proceed.wait(20)
            return {"n": torch.tensor(number)}

        return make

    made = 0

    def jobs():
        nonlocal made
        for number in range(20):
            made += 1
            yield job(number)

    with Prefetcher(threads=3, ahead=4) as prefetcher:
        stream = prefetcher.stream(jobs())
        proceed.set()
        assert int(next(stream)["n"]) == 0
        assert made <= 5
        assert [int(batch["n"]) for batch in stream] == list(range(1, 20))
    assert sorted(started) == list(range(20))
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")]


def test_an_error_arrives_where_its_batch_is_due() -> None:
    def fail() -> dict:
        raise OSError("no disk")

    with Prefetcher(threads=1, ahead=4) as prefetcher:
        stream = prefetcher.stream(iter([dict, fail, dict]))
        assert next(stream) == {}
        with pytest.raises(OSError, match="no disk"):
            next(stream)


def test_errors_in_millimetres_and_degrees() -> None:
    spec = ActionSpec(translation_limit_m=0.03, rotation_limit_rad=math.radians(10))
    found = error_metrics({f"bin_error/{name}": 10.0 for name in ACTION_NAMES}, spec)
    assert found == pytest.approx(
        {f"error/d{axis}_mm": 6.0 for axis in "xyz"}
        | {f"error/{name}_deg": 2.0 for name in ("droll", "dpitch", "dyaw")}
        | {"error/gripper": 0.1}
    )
    assert error_metrics({"loss": 1.0}, spec) == {}


def test_means_weigh_batches_and_processes() -> None:
    first, second = MeanMetrics(), MeanMetrics()
    first.add({"a": torch.tensor(1.0)}, 3.0)
    first.add({"a": torch.tensor(5.0), "b": torch.tensor(2.0)}, 1.0)
    second.add({"a": torch.tensor(4.0)}, 4.0)
    assert means_of([first.totals(), second.totals()]) == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_describe_themselves_and_travel(name: str) -> None:
    recipe = make_recipe(name)
    assert recipe.name == name and len(describe_recipe(name)) > 20
    assert Recipe.from_mapping(recipe.to_mapping()) == recipe


@pytest.mark.parametrize("stage", ["", "-grounding"])
def test_twins_differ_in_depth_only(stage: str) -> None:
    with_depth, without = (
        make_recipe(f"mini-rgbd{stage}").to_mapping(),
        make_recipe(f"mini-rgb{stage}").to_mapping(),
    )
    differing = {name for name in with_depth if with_depth[name] != without[name]}
    assert differing == {"name", "preset"}


def test_the_release_is_the_release() -> None:
    recipe = make_recipe("release-lora")
    assert (recipe.lora_rank, recipe.lora_alpha, recipe.learning_rate) == (128, 256.0, 2e-4)
    assert (recipe.projector_learning_rate, recipe.batch_size, recipe.warmup) == (2e-5, 128, 0.03)
    pretrain = make_recipe("paper-pretrain")
    assert (pretrain.trained, pretrain.learning_rate, pretrain.batch_size) == (
        "projector",
        5e-4,
        256,
    )


def test_settings_have_the_type_of_the_hyper_parameter() -> None:
    recipe = make_recipe(
        "mini-rgbd",
        {
            "steps": "7",
            "ema": "0",
            "projector_learning_rate": "1e-5",
            "data.gripper_weight": "2.5",
            "objective.sigma_bins": "3",
        },
    )
    assert recipe.steps == 7 and recipe.ema == 0.0 and recipe.projector_learning_rate == 1e-5
    assert recipe.data.gripper_weight == 2.5 and recipe.objective.sigma_bins == 3.0
    assert (
        make_recipe("mini-rgbd", {"projector_learning_rate": "none"}).projector_learning_rate
        is None
    )
    for settings, what in (
        ({"stpes": "7"}, "stpes.*steps"),
        ({"data.nothing": "1"}, "data.gripper_weight"),
        ({"name": "x"}, "hyper-parameter"),
        ({"precision": "int4"}, "bfloat16"),
    ):
        with pytest.raises(UnknownNameError, match=what):
            make_recipe("mini-rgbd", settings)
    for settings in ({"steps": "many"}, {"steps": "0"}, {"ema": "1.5"}, {"seed": "-1"}):
        with pytest.raises(ConfigurationError):
            make_recipe("mini-rgbd", settings)
    with pytest.raises(UnknownNameError, match="mini-rgbd"):
        make_recipe("maxi")


def test_sources_have_weights() -> None:
    assert DataSource.parse("a/b=2.5") == DataSource(DataSource.parse("a/b").path, 2.5)
    for text in ("a=", "a=x", "a=0", "a=-1", "a=inf"):
        with pytest.raises(ConfigurationError, match="weight"):
            DataSource.parse(text)


def test_scenes_are_held_out_by_name() -> None:
    held = [is_held_out(str(seed), 0.1) for seed in range(2000)]
    assert np.mean(held) == pytest.approx(0.1, abs=0.03)
    # a larger share keeps those of a smaller one
    assert all(is_held_out(str(seed), 0.2) for seed in range(2000) if held[seed])
    assert not any(is_held_out(str(seed), 0.0) for seed in range(100))
