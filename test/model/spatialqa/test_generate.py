"""Every answer is derived once more from the annotations; the same seed gives the same words."""

from collections import Counter
from dataclasses import replace

import pytest
from drawn_scenes import draw_scene
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_checker import CHECKS, check

from spatialbot_model.contracts.depth_tool import point_to_pixel
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, generate_items
from spatialbot_model.spatialqa.geometry import pixel_to_point
from spatialbot_model.spatialqa.templates import load_templates

TEMPLATES = load_templates(KINDS.values())


def test_every_answer_holds() -> None:
    kinds: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for seed in range(100):
        scene = draw_scene(seed)
        for item in generate_items(scene, TEMPLATES, GenerateOptions(seed=seed)):
            check(scene, item)
            kinds[item.kind] += 1
            modes[item.mode] += 1
    assert set(kinds) == set(KINDS) == set(CHECKS)
    assert min(kinds.values()) >= 10
    assert min(modes[mode] for mode in ("plain", "tool", "direct")) > 200
    assert kinds.total() > 2000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 4))
def test_answers_hold_for_any_seed(scene_seed: int, seed: int, per_kind: int) -> None:
    scene = draw_scene(scene_seed, masks=bool(seed % 2))
    items = generate_items(scene, TEMPLATES, GenerateOptions(seed=seed, per_kind=per_kind))
    for item in items:
        check(scene, item)
    assert max(Counter(item.kind for item in items).values(), default=0) <= per_kind
    questions = [item.turns[0][1] for item in items]
    assert len(set(questions)) == len(questions)


def test_the_checker_can_fail() -> None:
    scene = draw_scene(3)
    items = generate_items(scene, TEMPLATES, GenerateOptions())
    item = next(item for item in items if item.kind == "depth_point")
    wrong = replace(item, turns=(*item.turns[:-1], ("gpt", "7")))
    with pytest.raises(AssertionError):
        check(scene, wrong)


def test_the_same_seed_gives_the_same_words() -> None:
    scene = draw_scene(5)
    first = generate_items(scene, TEMPLATES, GenerateOptions(seed=1))
    assert first == generate_items(draw_scene(5), TEMPLATES, GenerateOptions(seed=1))
    assert first != generate_items(scene, TEMPLATES, GenerateOptions(seed=2))


def test_levels_do_not_change_each_other() -> None:
    scene = draw_scene(5)
    every = generate_items(scene, TEMPLATES, GenerateOptions())
    high = generate_items(scene, TEMPLATES, GenerateOptions(("high",)))
    assert high == [item for item in every if item.level == "high"]


def test_without_depth_nothing_is_asked_about_it() -> None:
    scene = replace(draw_scene(5), depth_mm=None)
    items = generate_items(scene, TEMPLATES, GenerateOptions())
    assert items
    assert not any(KINDS[item.kind].needs_depth for item in items)
    assert {item.mode for item in items} == {"plain"}


def test_what_is_not_known_is_not_asked() -> None:
    scene = replace(draw_scene(5), contacts=None, counted=frozenset(), absent=frozenset())
    kinds = {item.kind for item in generate_items(scene, TEMPLATES, GenerateOptions())}
    assert not kinds & {"touching", "reached", "counting", "existence"}


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_points_mean_their_pixel(width_px: int, height_px: int, data: st.DataObject) -> None:
    u_px, v_px = data.draw(st.integers(0, width_px - 1)), data.draw(st.integers(0, height_px - 1))
    x, y = pixel_to_point(u_px, v_px, width_px, height_px)
    assert point_to_pixel(x, y, width_px, height_px) == (u_px, v_px)


def test_options_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="low, middle"):
        GenerateOptions(("deep",))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        GenerateOptions(per_kind=0)
