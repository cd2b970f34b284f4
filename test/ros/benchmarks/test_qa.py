"""`spatialbot bench qa` in miniature: both sides ask the same, killed runs end up the same."""

import json

import numpy as np
import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, generate_items
from spatialbot_model.spatialqa.templates import load_templates
from spatialbot_ros.benchmarks import qa, run_benchmark
from spatialbot_ros.benchmarks.synthetic_pictures import SyntheticRecipe


def test_figures_of_a_small_run() -> None:
    result = run_benchmark(
        "qa", num_scenes=3, workers=1, few_items=30, many_items=90, kills=3, kill_scenes=24
    )
    figures = json.loads(result.to_json())["figures"]
    assert figures["kills"] == 3 and figures["identical"] == 1
    assert figures["few_items"] < figures["many_items"]
    assert figures["items"] > 50 and result.ratio > 0


def test_a_difference_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(qa, "_plain_loop", lambda *arguments: [{"id": "another"}])
    with pytest.raises(ConfigurationError, match="different questions"):
        qa.run(num_scenes=1, workers=1, kills=0)
    for name in ("expected", "found"):
        (tmp_path / name).mkdir()
        for file in qa._FILES:
            (tmp_path / name / file).write_text(name)
    with pytest.raises(ConfigurationError, match="differs"):
        qa._check_same(tmp_path / "expected", tmp_path / "found")
    with pytest.raises(ConfigurationError):
        qa.run(num_scenes=0)


def test_pictures_differ_and_are_asked_about() -> None:
    source = SyntheticRecipe(3, 160, 120).open()
    first, again, second = source.load(0), source.load(0), source.load(1)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.depth_mm, again.depth_mm)
    assert not np.array_equal(first.rgb, second.rgb)
    items = generate_items(first, load_templates(KINDS.values()), GenerateOptions())
    assert {item.level for item in items} == {"low", "middle", "high"}
