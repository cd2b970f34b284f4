"""Simulated scenes for questions: masks, depth, names and contacts are the world's."""

import numpy as np
import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_sim.qa_source import SimRecipe

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
    assert RECIPE.describe()["num"] == 4
