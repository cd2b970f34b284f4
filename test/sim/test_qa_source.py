"""Simulated scenes for questions: masks, depth, names and contacts are the world's."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, generate_items
from spatialbot_model.spatialqa.templates import load_templates
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_sim.crowd import crowd
from spatialbot_sim.qa_source import SimRecipe
from spatialbot_sim.tasks import sample_scene

sys.path.insert(0, str(Path(__file__).parents[1] / "model" / "spatialqa"))

from qa_checker import check

RECIPE = SimRecipe(load_cell(), load_action_spec(), num=4, moving_share=0.0, depth_noise=False)


def test_a_scene_is_what_the_world_is() -> None:
    source = RECIPE.open()
    try:
        scene = source.load(0)
        again = source.load(0)
    finally:
        source.close()
    np.testing.assert_array_equal(scene.rgb, again.rgb)
    np.testing.assert_array_equal(scene.depth_mm, again.depth_mm)
    assert [t.name for t in scene.objects] == [t.name for t in again.objects]
    assert scene.intrinsics is not None and scene.depth_mm is not None
    placed = 0
    for index, thing in enumerate(scene.objects):
        assert thing.mask is not None
        for other in scene.objects[:index]:
            assert not (thing.mask & other.mask).any()
        if thing.position_m is None:
            continue
        placed += 1
        u_px, v_px = scene.intrinsics.project(thing.position_m)
        u_min, v_min, u_max, v_max = thing.box_px
        assert u_min - 3 <= u_px <= u_max + 3 and v_min - 3 <= v_px <= v_max + 3
        # what is seen is the side towards the camera
        values = scene.depth_mm[thing.mask]
        assert abs(np.median(values[values > 0]) / 1000 - thing.position_m[2]) < 0.08
    assert placed >= 2
    assert not scene.counted & scene.absent
    names = {thing.category for thing in scene.objects}
    assert scene.counted <= names


def test_a_recipe_is_checked() -> None:
    with pytest.raises(UnknownNameError):
        SimRecipe(RECIPE.cell, RECIPE.spec, task="juggle")
    with pytest.raises(ConfigurationError):
        SimRecipe(RECIPE.cell, RECIPE.spec, num=0)
    with pytest.raises(ConfigurationError):
        SimRecipe(RECIPE.cell, RECIPE.spec, extra_objects=-1)
    assert RECIPE.describe()["num"] == 4


def test_answers_about_crowded_tables_hold() -> None:
    source = replace(RECIPE, num=2, extra_objects=5, depth_noise=True).open()
    templates, asked = load_templates(KINDS.values()), 0
    try:
        for index in range(2):
            scene = source.load(index)
            for item in generate_items(scene, templates, GenerateOptions(per_kind=4)):
                check(scene, item)
                asked += 1
    finally:
        source.close()
    assert asked > 80


def test_a_crowd_stands_apart() -> None:
    plain = sample_scene("spatialqa_e_basic", 7)
    scene = crowd(plain, 6)
    assert scene == crowd(plain, 6) != plain
    assert scene.objects[: len(plain.objects)] == plain.objects
    names = [(item.kind, item.color) for item in scene.objects[len(plain.objects) :]]
    assert 3 <= len(names) == len(set(names)) <= 6
    for index, item in enumerate(scene.objects):
        for other in scene.objects[:index]:
            if item.name.startswith("more_"):
                distance_m = np.hypot(item.x_m - other.x_m, item.y_m - other.y_m)
                assert distance_m > item.extent.radius_m + other.extent.radius_m + 0.03
    assert crowd(plain, 0) == plain
