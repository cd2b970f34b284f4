"""What an instruction means, apart from its words: one object, one destination, one viewer."""

from dataclasses import dataclass
from typing import Literal

from spatialbot_sim.objects import PlaceKind
from spatialbot_sim.tasks.scene import PlaceRelation

Perspective = Literal["camera", "robot"]
Degree = Literal[
    "positive", "comparative", "superlative", "positive_reference", "comparative_reference"
]


@dataclass(frozen=True, slots=True)
class Named:
    """Things of a kind and perhaps a colour.

    Attributes:
        kind: of object or place; "object" means any object.
    """

    kind: str
    color: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """How one thing stands out among things of its kind.

    Attributes:
        word: the relation, e.g. "left" or "tall".
        reference: what it is related to, in the degrees that need something.
    """

    word: str
    degree: Degree
    reference: Named | None = None


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """Which thing.

    Attributes:
        real: it is said that no picture is meant.
    """

    named: Named
    relation: Relation | None = None
    real: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which object, where to, and whose left and right.

    Attributes:
        object: the one to take.
        place_relation: how it shall lie to `place`.
        place: a board, box or marked area.
        perspective: whose directions; the camera's when nothing is said.
        perspective_said: the instruction says whose.
        avoid: kind of obstacle that the instruction warns of, or None.
    """

    object: NounPhrase
    place_relation: PlaceRelation
    place: NounPhrase
    perspective: Perspective = "camera"
    perspective_said: bool = False
    avoid: str | None = None

    @property
    def place_kind(self) -> PlaceKind:
        """Kind of the destination."""
        kind = self.place.named.kind
        assert kind in ("board", "box", "area", "stand")
        return kind  # type: ignore[return-value]  # the assertion narrows no Literal
