"""10,000 questions of SpatialQA-E: each has one answer, and can be done.

The oracle below reads nothing but the words and what the camera sees; it shares no code with the
solver that the scenes were laid by.
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import invert
from spatialbot_sim.objects import CARTON_HALF_M, TALL_BOTTLE_RADIUS_M, WIDEST_GRASP_M, grasps_of
from spatialbot_sim.tasks import TASKS, Scene, place_of, sample_scene
from spatialbot_sim.tasks.grammar import load_grammar
from spatialbot_sim.tasks.meaning import Meaning, NounPhrase
from spatialbot_sim.tasks.reader import Reader

FAMILIES = tuple(name for name in TASKS if name.startswith("spatialqa_e_"))
TRAIN_SEEDS, TEST_SEEDS = range(500), range(1_000_000, 1_000_500)
# along the tilted optical axis and in the picture a distance on the table looks shorter
SEEN_MARGIN_M, SEEN_MARGIN_PX, SEEN_RATIO = 0.03, 6.0, 1.15


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing as the camera has it."""

    name: str
    kind: str
    color: str | None
    right_m: float
    right_px: float
    depth_m: float
    stands_at_m: float
    width_m: float
    height_m: float
    area_m2: float
    xy_m: tuple[float, float]
    half_m: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Question:
    scene: Scene
    meaning: Meaning
    objects: tuple[Seen, ...]
    places: tuple[Seen, ...]


class Eyes:
    """The camera's colour image."""

    def __init__(self, cell: Cell) -> None:
        T = invert(cell.camera.T_base_color)
        self._rows = [tuple(map(float, row)) for row in T[:3]]
        self._color = cell.camera.color

    def at(self, x_m: float, y_m: float, z_m: float) -> tuple[float, float, float]:
        """Camera coordinates: right, down, forward [m]."""
        x, y, z = (r[0] * x_m + r[1] * y_m + r[2] * z_m + r[3] for r in self._rows)
        return x, y, z

    def pixel(self, x_m: float, y_m: float, z_m: float) -> tuple[float, float]:
        x, y, z = self.at(x_m, y_m, z_m)
        color = self._color
        return color.cx_px + color.fx_px * x / z, color.cy_px + color.fy_px * y / z

    def see(self, scene: Scene) -> tuple[tuple[Seen, ...], tuple[Seen, ...]]:
        objects = [
            (o, o.kind, o.color, o.base_z_m, o.extent.width_m, o.extent.height_m,
             o.extent.length_m * o.extent.width_m, (0.0, 0.0))
            for o in scene.objects
        ]  # fmt: skip
        places = [
            (p, p.kind, getattr(p, "color", None), 0.0, 2 * p.half_m[1], 2 * p.half_m[2],
             4 * p.half_m[0] * p.half_m[1],
             tuple(getattr(p, "inner_half_m", p.half_m)[:2]))
            for p in (*scene.boards, *scene.holders)
        ]  # fmt: skip
        return tuple(map(self._seen, objects)), tuple(map(self._seen, places))

    def _seen(self, row: tuple) -> Seen:
        thing, kind, color, base_m, width_m, height_m, area_m2, half_m = row
        right_m, _, depth_m = self.at(thing.x_m, thing.y_m, 0.0)
        right_px = self.pixel(thing.x_m, thing.y_m, 0.0)[0]
        xy_m = (thing.x_m, thing.y_m)
        return Seen(
            thing.name, kind, color, right_m, right_px, depth_m, base_m, width_m, height_m,
            area_m2, xy_m, half_m,
        )  # fmt: skip


def surely_more(a: Seen, b: Seen, word: str, by_robot: bool) -> bool:
    """True when nobody with eyes would deny that `a` is more `word` than `b`."""
    if by_robot:
        word = {"left": "right", "right": "left", "near": "far", "far": "near"}.get(word, word)
    if word in ("right", "short", "far", "down", "small", "thin"):
        opposite = {"right": "left", "short": "tall", "far": "near", "down": "up"}
        return surely_more(b, a, {**opposite, "small": "large", "thin": "wide"}[word], False)
    return {
        "left": a.right_m < b.right_m - SEEN_MARGIN_M and a.right_px < b.right_px - SEEN_MARGIN_PX,
        "near": a.depth_m < b.depth_m - SEEN_MARGIN_M,
        "up": a.stands_at_m > b.stands_at_m + 0.02,
        "tall": a.height_m > SEEN_RATIO * b.height_m,
        "wide": a.width_m > SEEN_RATIO * b.width_m,
        "large": a.area_m2 * a.height_m > SEEN_RATIO * b.area_m2 * b.height_m
        and a.area_m2 >= b.area_m2 and a.height_m >= 0.999 * b.height_m,
    }[word]  # fmt: skip


def surely_inside(thing: Seen, place: Seen) -> bool:
    return all(abs(a - b) < h - 0.02 for a, b, h in zip(thing.xy_m, place.xy_m, place.half_m))  # noqa: B905


def surely_outside(thing: Seen, place: Seen) -> bool:
    # places on the table lie at most a little turned
    return any(abs(a - b) > h + 0.015 for a, b, h in zip(thing.xy_m, place.xy_m, place.half_m))  # noqa: B905


def answer(phrase: NounPhrase, question: Question, among: tuple[Seen, ...]) -> str | None:
    """Name of the only thing that a phrase can mean, or None."""
    named, relation = phrase.named, phrase.relation
    fitting = [
        t for t in among
        if named.kind in ("object", t.kind) and named.color in (None, t.color)
    ]  # fmt: skip
    if relation is None:
        return fitting[0].name if len(fitting) == 1 else None
    by_robot = question.meaning.perspective == "robot"
    if relation.reference is not None:
        ref = relation.reference
        references = [
            t for t in (*question.objects, *question.places)
            if t.kind == ref.kind and ref.color in (None, t.color)
        ]  # fmt: skip
        if len(references) != 1:
            return None
        reference = references[0]
        fitting = [t for t in fitting if t is not reference]
        if relation.word in ("in", "inside", "on", "outside"):
            within = [surely_inside(t, reference) for t in fitting]
            beyond = [surely_outside(t, reference) for t in fitting]
            yes, no = (beyond, within) if relation.word == "outside" else (within, beyond)
        else:
            yes = [surely_more(t, reference, relation.word, by_robot) for t in fitting]
            no = [surely_more(reference, t, relation.word, by_robot) for t in fitting]
        sure = [t.name for t, y in zip(fitting, yes, strict=True) if y]
        return sure[0] if len(sure) == 1 and sum(no) == len(fitting) - 1 else None
    if relation.word == "middle":
        order = sorted(fitting, key=lambda t: t.right_px)
        clear = all(surely_more(a, b, "left", False) for a, b in itertools.pairwise(order))
        return order[1].name if len(order) == 3 and clear else None
    least, most = {"superlative": (2, 9)}.get(relation.degree, (2, 2))
    if not least <= len(fitting) <= most:
        return None
    best = [
        a.name for a in fitting
        if all(surely_more(a, b, relation.word, by_robot) for b in fitting if b is not a)
    ]  # fmt: skip
    return best[0] if len(best) == 1 else None


@pytest.fixture(scope="module")
def eyes(cell: Cell) -> Eyes:
    return Eyes(cell)


@pytest.fixture(scope="module")
def questions(eyes: Eyes) -> list[Question]:
    """Train and test scenes of every family and of the mixture: 10,000."""
    reader, found = Reader(load_grammar()), []
    for task, seeds in itertools.product((*FAMILIES, "spatialqa_e"), (TRAIN_SEEDS, TEST_SEEDS)):
        for seed in seeds:
            scene = sample_scene(task, seed)
            meanings = reader.read(scene.instruction)
            assert len(meanings) == 1, (task, seed, scene.instruction, meanings)
            found.append(Question(scene, meanings[0], *eyes.see(scene)))
    return found


def test_there_are_ten_thousand(questions: list[Question]) -> None:
    assert len(questions) >= 10_000


def test_whoever_looks_finds_one_object_and_one_destination(questions: list[Question]) -> None:
    for q in questions:
        found = answer(q.meaning.object, q, q.objects)
        assert found == q.scene.target, (found, q.scene)
        found = answer(q.meaning.place, q, q.places)
        assert found == q.scene.destination, (found, q.scene)
        assert q.meaning.place_relation == q.scene.relation, q.scene


def test_the_words_warn_only_of_what_is_there(questions: list[Question]) -> None:
    for q in questions:
        if q.meaning.avoid is not None:
            assert [o.kind for o in q.scene.obstacles].count(q.meaning.avoid) == 1, q.scene
        # a print that is not in the scene is not worth a word
        assert not q.meaning.object.real or q.scene.prints, q.scene


def test_everything_can_be_reached(questions: list[Question], cell: Cell) -> None:
    low_m, high_m = cell.workspace_min_m, cell.workspace_max_m
    for q in questions:
        target = q.scene.object_named(q.scene.target)
        grasps = grasps_of(target)
        assert all(grasp.width_m <= WIDEST_GRASP_M for grasp in grasps), target
        tool_z_m = target.base_z_m + target.rest_height_m + float(grasps[0].point_m[2])
        put_m = place_of(q.scene, cell.table_top_z_m).center_m
        for point_m in ((target.x_m, target.y_m, tool_z_m), (*put_m[:2], tool_z_m)):
            inside = zip(low_m, point_m, high_m, strict=True)
            assert all(low < value < high for low, value, high in inside), q.scene


def test_everything_is_in_the_picture(questions: list[Question], cell: Cell, eyes: Eyes) -> None:
    width_px, height_px = cell.camera.color.width, cell.camera.color.height
    for q in questions:
        points = [(o.x_m, o.y_m, z) for o in q.scene.objects for z in (o.base_z_m, o.top_z_m)]
        points += [
            (p.x_m + sx * p.half_m[0], p.y_m + sy * p.half_m[1], 0.0)
            for p in (*q.scene.boards, *q.scene.holders)
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
        for point_m in points:
            u_px, v_px = eyes.pixel(*point_m)
            assert 3 < u_px < width_px - 3 and 3 < v_px < height_px - 3, (point_m, q.scene)


def test_nothing_tall_hides_an_object(questions: list[Question], cell: Cell) -> None:
    """Of the line from the camera to the upper half of each thing nothing stands in the way."""
    eye_m = tuple(map(float, cell.camera.T_base_color[:3, 3]))
    for q in questions:
        things = [(o.name, o.x_m, o.y_m, o.base_z_m + 0.6 * o.extent.height_m, o.extent.radius_m,
                   o.top_z_m) for o in q.scene.objects]  # fmt: skip
        tall = [(n, x, y, r, top) for n, x, y, _, r, top in things]
        for o in q.scene.obstacles:
            radius_m = CARTON_HALF_M if o.kind == "carton" else TALL_BOTTLE_RADIUS_M
            tall.append((o.name, o.x_m, o.y_m, radius_m, o.height_m))
        for name, x_m, y_m, z_m, _, _ in things:
            for other, ox_m, oy_m, radius_m, top_m in tall:
                if other != name:
                    hidden = _blocks((x_m, y_m, z_m), eye_m, (ox_m, oy_m), radius_m, top_m)
                    assert not hidden, (name, other, q.scene)


def _blocks(
    point_m: tuple[float, ...], eye_m: tuple[float, ...], at_m: tuple[float, float],
    radius_m: float, top_m: float,
) -> bool:  # fmt: skip
    """True when the line of sight runs through an upright cylinder."""
    dx, dy = eye_m[0] - point_m[0], eye_m[1] - point_m[1]
    length_m = math.hypot(dx, dy)
    along_m = ((at_m[0] - point_m[0]) * dx + (at_m[1] - point_m[1]) * dy) / length_m
    across_m = abs((at_m[0] - point_m[0]) * dy - (at_m[1] - point_m[1]) * dx) / length_m
    sight_z_m = point_m[2] + (eye_m[2] - point_m[2]) * along_m / length_m
    return along_m > 0 and across_m < radius_m and sight_z_m < top_m


def test_obstacles_stand_in_the_way_and_leave_one(questions: list[Question], cell: Cell) -> None:
    for q in questions:
        target = q.scene.object_named(q.scene.target)
        put_m = place_of(q.scene, cell.table_top_z_m).center_m
        start, end = np.array([target.x_m, target.y_m]), put_m[:2]
        way = end - start
        gaps_m = []
        for obstacle in q.scene.obstacles:
            at = np.array([obstacle.x_m, obstacle.y_m]) - start
            share = float(at @ way / (way @ way))
            assert 0.1 < share < 0.9, q.scene
            gaps_m.append(abs(float(way[0] * at[1] - way[1] * at[0])) / float(np.linalg.norm(way)))
            # over it: what is carried hangs below the hand
            lowest_m = obstacle.height_m + target.extent.height_m
            assert lowest_m + 0.05 < cell.workspace_max_m[2], q.scene
        if gaps_m:
            assert min(gaps_m) < CARTON_HALF_M, q.scene


def test_prints_lie_apart_from_what_is_real(questions: list[Question]) -> None:
    for q in questions:
        target = q.scene.object_named(q.scene.target)
        for sheet in q.scene.prints:
            shown = sheet.item
            assert (shown.kind, shown.color) == (target.kind, target.color), q.scene
            for item in q.scene.objects:
                assert math.hypot(shown.x_m - item.x_m, shown.y_m - item.y_m) > 0.06, q.scene


def test_held_out_parts_are_where_they_belong(questions: list[Question]) -> None:
    grammar = load_grammar()
    known_starts = {text.split("{")[0].strip() for text in grammar.sentences.train}
    for q in questions:
        scene = q.scene
        target = scene.object_named(scene.target)
        new_object = grammar.is_held_out_object(target.kind, target.color)
        relation, which = q.meaning.object.relation, q.meaning.place.relation
        facts = {
            "kind": target.kind,
            "relation": relation and relation.word,
            "degree": relation and relation.degree,
            "which": which and which.word,
            "place": q.meaning.place.named.kind,
            "perspective": q.meaning.perspective,
        }
        new_combination = grammar.is_held_out_combination(facts)
        assert new_object == (scene.novelty == "object"), scene
        assert new_combination == (scene.novelty == "combination"), scene
        if scene.novelty != "object":
            assert not any(grammar.is_held_out_object(o.kind, o.color) for o in scene.objects)
        assert (scene.seed >= 1_000_000) or scene.novelty == "", scene
        # the first words of a sentence tell whether it is one to train with
        known = any(start in scene.instruction for start in known_starts)
        assert known or scene.novelty == "paraphrase", scene


def test_every_relation_degree_and_family_is_there(questions: list[Question]) -> None:
    train = [q for q in questions if q.scene.seed < 1_000_000]
    asked = Counter(
        (q.meaning.object.relation.word, q.meaning.object.relation.degree)
        for q in train
        if q.meaning.object.relation is not None
    )
    grammar = load_grammar()
    for family in grammar.families.values():
        for word in family.relations:
            degrees = set(grammar.relations[word]) & set(family.degrees)
            held_out = {d for d in degrees if grammar.is_held_out_combination(
                {"relation": word, "degree": d})}  # fmt: skip
            for degree in degrees - held_out:
                assert asked[word, degree] >= 5, (word, degree)
    mixed = Counter(q.scene.features[0] for q in train if q.scene.task == "spatialqa_e")
    assert set(mixed) == {f"family:{name.removeprefix('spatialqa_e_')}" for name in FAMILIES}
    assert {q.scene.novelty for q in questions} >= {
        "paraphrase", "object", "combination",
    }  # fmt: skip


def test_perspective_turns_left_and_right_round(questions: list[Question]) -> None:
    """The same words mean the other thing from the other side."""
    turned = 0
    for q in questions:
        relation = q.meaning.object.relation
        if q.meaning.perspective == "robot" and relation and relation.word in ("left", "right"):
            camera = Question(q.scene, _by_camera(q.meaning), q.objects, q.places)
            assert answer(q.meaning.object, camera, q.objects) != q.scene.target
            turned += 1
    assert turned > 100


def _by_camera(meaning: Meaning) -> Meaning:
    return Meaning(meaning.object, meaning.place_relation, meaning.place, "camera")


@pytest.mark.parametrize("task", [*FAMILIES, "spatialqa_e"])
def test_the_same_seed_gives_the_same_scene(task: str) -> None:
    for seed in (0, 7, 1_000_002):
        assert sample_scene(task, seed) == sample_scene(task, seed)


def test_a_seed_of_the_other_split_is_refused() -> None:
    assert sample_scene("spatialqa_e", 1_000_000, split="test").seed == 1_000_000
    with pytest.raises(ConfigurationError, match="test seeds begin"):
        sample_scene("spatialqa_e", 1_000_000, split="train")
    with pytest.raises(ConfigurationError, match="train scene"):
        sample_scene("spatialqa_e", 0, split="test")
