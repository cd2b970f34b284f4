"""What each family of SpatialQA-E asks for: one function a family, from draws to a plan."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from spatialbot_sim.objects import STRETCHABLE, ObjectKind, PlaceKind
from spatialbot_sim.tasks.grammar import FamilyRules
from spatialbot_sim.tasks.meaning import Meaning, Named, NounPhrase, Relation
from spatialbot_sim.tasks.plan import PERSPECTIVES, Draw, Item, Plan


@dataclass(frozen=True, slots=True)
class Family:
    """A family: its parameters are in the grammar under the same name."""

    description: str
    plan: Callable[[Draw, FamilyRules], Plan]


def _plan_basic(draw: Draw, rules: FamilyRules) -> Plan:
    """Any object by kind, and by colour where the kind does not do."""
    items = [draw.item(*draw.target_pair(_kinds(draw)))]
    for _ in range(draw.count(*rules.count) - 1):
        items.append(draw.item(*draw.other_pair([(i.kind, i.color) for i in items])))
    phrase = NounPhrase(_name(draw, items))
    relation, place = draw.place() if draw.chance(0.8) else draw.single_place()
    return Plan(Meaning(phrase, relation, place), items)


def _plan_positional(draw: Draw, rules: FamilyRules) -> Plan:
    """One of several alike, by where it stands."""
    word, degree = draw.relation(rules)
    kind, color = draw.target_pair(_kinds(draw))
    if degree.endswith("_reference"):
        other = draw.item(*draw.other_pair([], [k for k in _kinds(draw) if k != kind]))
        alike = _alike(draw, kind, color, 2)
        reference = Named(other.kind, other.color if draw.chance(0.5) else None)
        phrase = NounPhrase(Named(kind), Relation(word, degree, reference))
        relation, place = draw.place()
        return Plan(Meaning(phrase, relation, place), [*alike, other], 2)
    count = 3 if word == "middle" else draw.count_for(degree, rules.count[1])
    if draw.chance(0.25):
        named = Named("object")
        items = [draw.item(kind, color)]
        while len(items) < count:
            items.append(draw.item(*draw.other_pair([(i.kind, i.color) for i in items])))
    else:
        named, items = Named(kind), _alike(draw, kind, color, count)
    phrase = NounPhrase(named, Relation(word, degree))
    if named.kind != "object" and len(items) < rules.count[1] and draw.chance(0.4):
        items.append(draw.item(*draw.other_pair([], [k for k in _kinds(draw) if k != kind])))
    relation, place = draw.place()
    return Plan(Meaning(phrase, relation, place), items, count)


def _plan_elevation(draw: Draw, rules: FamilyRules) -> Plan:
    """One of several alike, by the height of what it stands on."""
    word, degree = draw.relation(rules)
    kind, color = draw.target_pair([k for k in _kinds(draw) if k != "banana"])
    low_m, high_m = draw.grammar.places["stand"].heights_m
    count = 3 if degree == "superlative" else 2
    heights_m = [0.0, high_m] if count == 2 else [0.0, low_m, high_m]
    items = [
        replace(item, base_z_m=height_m)
        for item, height_m in zip(_alike(draw, kind, color, count), heights_m, strict=True)
    ]
    reference = Named("stand") if word == "on" else None
    named = Named("object") if draw.chance(0.2) else Named(kind)
    phrase = NounPhrase(named, Relation(word, degree, reference))
    relation, place = draw.place()
    return Plan(Meaning(phrase, relation, place), items, count)


def _plan_containment(draw: Draw, rules: FamilyRules) -> Plan:
    """One of two alike, by whether it lies in something; or a destination to lie in or outside."""
    kind, color = draw.target_pair(_kinds(draw))
    if draw.chance(0.5):
        word, degree = draw.relation(rules)
        middle: PlaceKind = "box" if word == "in" else draw.pick(("box", "area"))
        items = _alike(draw, kind, color, 2)
        phrase = NounPhrase(Named(kind), Relation(word, degree, Named(middle)))
        relation, place = draw.place()
        return Plan(Meaning(phrase, relation, place), items, 2, held=0, middle=middle)
    items = [draw.item(kind, color)]
    if draw.chance(0.5):
        items.append(draw.item(*draw.other_pair([(kind, color)])))
    relation, place = draw.single_place()
    plan = Plan(Meaning(NounPhrase(_name(draw, items)), relation, place), items)
    if relation == "outside":
        # what shall go out has to be in
        plan.middle, plan.held = "area", 0
    return plan


def _plan_size(draw: Draw, rules: FamilyRules) -> Plan:
    """One of several alike, by its size."""
    word, degree = draw.relation(rules)
    kinds = _kinds(draw)
    if word in ("tall", "short", "wide", "thin"):
        kinds = [kind for kind in kinds if kind in STRETCHABLE]
    kind, color = draw.target_pair(kinds)
    if degree == "comparative_reference":
        items = draw.sized_items(kind, color, word, 3)
        paint = draw.pick([c for k, c in draw.pairs([kind], draw.novelty == "object")] + [color])
        if paint == color:
            paint = draw.other_pair([(kind, color)])[1]
        middle = sorted(range(3), key=lambda i: items[i].width_scale * items[i].height_scale)[1]
        if word in ("tall", "short"):
            middle = sorted(range(3), key=lambda i: items[i].height_scale)[1]
        elif word in ("wide", "thin"):
            middle = sorted(range(3), key=lambda i: items[i].width_scale)[1]
        reference = replace(items.pop(middle), color=paint)
        phrase = NounPhrase(Named(kind), Relation(word, degree, Named(kind, paint)))
        items.append(reference)
        relation, place = draw.place()
        return Plan(Meaning(phrase, relation, place), items, 2)
    count = 3 if degree == "superlative" else 2
    items = draw.sized_items(kind, color, word, count)
    if count < rules.count[1] and draw.chance(0.4):
        items.append(draw.item(*draw.other_pair([], [k for k in _kinds(draw) if k != kind])))
    phrase = NounPhrase(Named(kind), Relation(word, degree))
    relation, place = draw.place(("left", "right", "large", "small"))
    return Plan(Meaning(phrase, relation, place), items, count)


def _plan_perspective(draw: Draw, rules: FamilyRules) -> Plan:
    """As `positional`, and it is said whose left and right are meant."""
    plan = _plan_positional(draw, replace(rules, count=rules.count))
    relation, place = draw.place(("left", "right", "near", "far"))
    plan.meaning = replace(
        plan.meaning,
        place_relation=relation,
        place=place,
        perspective=draw.pick(PERSPECTIVES),
        perspective_said=True,
    )
    return plan


def _plan_illusion(draw: Draw, rules: FamilyRules) -> Plan:
    """The real thing, beside pictures of it."""
    kind, color = draw.target_pair([k for k in _kinds(draw) if draw.grammar.kinds[k].printable])
    items = [draw.item(kind, color)]
    if draw.chance(0.4):
        items.append(draw.item(*draw.other_pair([], [k for k in _kinds(draw) if k != kind])))
    phrase = NounPhrase(_name(draw, items), None, real=draw.chance(0.75))
    relation, place = draw.place(("left", "right", "near", "far"))
    return Plan(Meaning(phrase, relation, place), items, num_prints=1 + draw.chance(0.3))


def _plan_obstacle(draw: Draw, rules: FamilyRules) -> Plan:
    """Something tall stands on the way."""
    items = [draw.item(*draw.target_pair(_kinds(draw)))]
    if draw.count(*rules.count) > 1:
        items.append(draw.item(*draw.other_pair([(i.kind, i.color) for i in items])))
    phrase = NounPhrase(_name(draw, items))
    relation, place = draw.place(("left", "right"))
    meaning = Meaning(phrase, relation, place, avoid=_warning(draw))
    return Plan(meaning, items, num_obstacles=1 + draw.chance(0.3))


def _plan_composite(draw: Draw, rules: FamilyRules) -> Plan:
    """The four steps in one: the real thing, by whose left and right, past what is in the way."""
    plan = _plan_illusion(draw, rules)
    plan.items, plan.num_prints = plan.items[:1], 1
    word = draw.pick([w for w in rules.relations if w in ("left", "right")])
    said = draw.chance(0.7)
    plan.meaning = replace(
        plan.meaning,
        object=NounPhrase(_name(draw, plan.items), None, real=draw.chance(0.75)),
        place=NounPhrase(Named("board"), Relation(word, "positive")),
        perspective=draw.pick(PERSPECTIVES) if said else "camera",
        perspective_said=said,
        avoid=_warning(draw),
    )
    plan.num_obstacles = 1
    return plan


def _kinds(draw: Draw) -> list[ObjectKind]:
    return list(draw.grammar.kinds)


def _alike(draw: Draw, kind: ObjectKind, color: str, count: int) -> list[Item]:
    """Objects of one kind; half of the time of one look, so that only the relation tells."""
    first = draw.item(kind, color)
    if draw.chance(0.5):
        return [first] * count
    more = [draw.item(*draw.target_pair([kind])) for _ in range(count - 1)]
    return [first, *more]


def _name(draw: Draw, items: list[Item]) -> Named:
    """Name of the first: with its colour where another has its kind, sometimes anyway."""
    first = items[0]
    needs_color = any(item.kind == first.kind for item in items[1:])
    return Named(first.kind, first.color if needs_color or draw.chance(0.5) else None)


def _warning(draw: Draw) -> str | None:
    return cast(str, draw.pick(tuple(draw.grammar.obstacles))) if draw.chance(0.5) else None


FAMILIES: dict[str, Family] = {
    "spatialqa_e_basic": Family("an object by kind or colour", _plan_basic),
    "spatialqa_e_positional": Family("an object by where it stands", _plan_positional),
    "spatialqa_e_elevation": Family("an object by what it stands on", _plan_elevation),
    "spatialqa_e_containment": Family("in, inside and outside of things", _plan_containment),
    "spatialqa_e_size": Family("an object by its size", _plan_size),
    "spatialqa_e_perspective": Family("the robot's or the camera's left", _plan_perspective),
    "spatialqa_e_illusion": Family("the real thing beside its picture", _plan_illusion),
    "spatialqa_e_obstacle": Family("past something tall", _plan_obstacle),
    "spatialqa_e_composite": Family("illusion, viewer and obstacle at once", _plan_composite),
}
"""A new family is one function, one entry here and one in families.yaml."""
