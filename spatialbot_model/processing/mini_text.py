"""The text that the mini tokenizer is trained on: this project's own language, generated.

Instructions of the simulated lab and of SpatialQA-E with paraphrases, actions in text form,
depth questions and tool answers, and questions about pictures in the manner of SpatialQA.
All sentences are made from the word lists below.
"""

import random
from collections.abc import Callable, Iterator

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
)
from spatialbot_model.contracts.depth_tool import format_answers, format_call
from spatialbot_model.contracts.prompt_templates import (
    DEPTH_DIRECT_SUFFIX,
    PROMPT_TEMPLATES,
    action_user_text,
)
from spatialbot_model.contracts.types import DepthAnswer


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLORS = _words("red green blue yellow black white orange purple brown pink grey silver")
TOYS = _words("cube ball cup teacup block bowl bottle box can object toy mug plate")
PLACES = ("cutting board", "board", "tray", "table", "plate", "basket", "drawer", "shelf", "bin")
RELATIONS = ("left", "right", "leftmost", "rightmost", "nearest", "closest", "farthest", "furthest")
SIDES = ("left of", "right of", "in front of", "behind", "above", "below", "next to", "under")
PEOPLE = _words("man woman boy girl child person player rider worker chef driver")
THINGS = _words(
    "chair sofa lamp window door bed desk shelf cabinet curtain pillow rug mirror clock picture"
    " plant tree flower grass bench fence road street sidewalk building house roof wall floor car"
    " bus truck train bicycle motorcycle boat airplane traffic light sign pole bridge river beach"
    " mountain sky cloud dog cat horse sheep cow bird elephant giraffe zebra bear pizza sandwich"
    " cake apple banana orange carrot bread knife fork spoon glass bottle cup bowl keyboard mouse"
    " laptop monitor phone book bag backpack suitcase umbrella hat shirt jacket shoe ball bat"
    " racket skateboard surfboard kite frisbee refrigerator oven stove sink toilet towel bathtub"
    " washing machine gripper robot arm finger hand hammer screwdriver drill towel sponge"
)
SCENES = _words("kitchen bedroom office street park room bathroom garden lab garage")
ADJECTIVES = _words(
    "large small tall short long wide narrow round square wooden metal plastic empty full open"
    " closed old new bright dark clean heavy light soft"
)
VERBS = ("holding", "touching", "facing", "reaching", "carrying", "looking at", "sitting on")
COMMON = _words(
    "about after again all also always an another any around as ask at away back bad be because"
    " been before begin best better between both but by call can cannot change come corner could"
    " cover different do does done during each edge either else end enough even every everything"
    " example face far few find first follow for found from front full get give go good group had"
    " half has have he head help her here high him his hold home how if inside into is its just"
    " keep kind know last later least leave less let level like line little look lower made main"
    " make many material may measure middle might more most move much must name need never new"
    " next no none not nothing of off often on once only or other others our out outside over own"
    " part people perhaps place point possible probably put question quite reason rest result same"
    " say see seem set several shape she should show side since size slightly small so some"
    " something space stand start still stop such sure surface than that their them then there"
    " these they thing think this those though three through time together too top toward try turn"
    " two understand until upper upon us use used using usually very view want was water way we"
    " well were what when where whether which while who whole whose why will with within without"
    " word work would yet you your able across action actually against air almost along already"
    " although among angle answer appear area arrive available base become begin below beside"
    " bottom box breaking bring build busy camera center centre certain clear color common compare"
    " complete contain continue control correct cross current depth describe direction distance"
    " draw easy empty entire equal estimate exact fall family field figure final fit flat food"
    " foot force form forward friend furniture game glass ground grow hard height human image"
    " important include indoor information instruction instead item kitchen language layer lay"
    " length letter lie life likely list live location machine mark matter meal meter method mind"
    " model moment motion mouth music near number object observe obvious occluded opposite order"
    " orientation outdoor overlap paper partly pass pattern person perspective photo piece plan"
    " play position power present press problem provide pull push quality quick range reach ready"
    " real relation relative remain remove repeat rotate row safe scene second sense separate"
    " shadow sharp shown similar simple single slow smooth solid sort sound spatial speed spot"
    " state step straight strong study support task team test text texture thick thin touch toward"
    " train type uncertain unit value various visible visual voice wait walk warm watch wear weight"
    " width wind wish world write wrong year young"
)
NUMBERS = _words("zero one two three four five six seven eight nine ten")
_TAKE = ("pick up", "take", "grab", "grasp", "pick", "lift")
_PUT = ("put it on", "place it on", "place it onto", "move it to", "put it onto", "set it on")
_FILLERS = ("", "please ", "now ", "carefully ")


def training_text(num_rounds: int = 4000, seed: int = 0) -> Iterator[str]:
    """Sentences, the same for the same arguments on every machine."""
    rng = random.Random(seed)
    for template in PROMPT_TEMPLATES.values():
        yield f"{template.system}{template.user_prefix}{template.assistant_prefix}"
    # words of general questions: the sentences below alone would fill but half of the vocabulary
    for word in COMMON:
        yield f" {word}" * 8 + f" {word.capitalize()}" * 2
    makers: tuple[Callable[[random.Random], str], ...] = (
        _instruction,
        _action,
        _depth_question,
        _depth_dialogue,
        _comparison,
        _description,
        _counting,
        _reaching,
    )
    for _ in range(num_rounds):
        for make in makers:
            yield make(rng)


def _instruction(rng: random.Random) -> str:
    words = [rng.choice(COLORS), rng.choice(RELATIONS), f"{rng.choice(COLORS)} {_relation(rng)}"]
    target = f"{rng.choice(words)} {rng.choice(TOYS)}"
    goal = f"the {_relation(rng)} {rng.choice(PLACES)}"
    if rng.random() < 0.3:
        goal = f"the {rng.choice(PLACES)} {rng.choice(SIDES)} the {rng.choice(TOYS)}"
    view = " from the robot's perspective" if rng.random() < 0.1 else ""
    text = f"{rng.choice(_FILLERS)}{rng.choice(_TAKE)} the {target} and {rng.choice(_PUT)} {goal}"
    return action_user_text(text + view, rng.choice((1, 4, 8)))


def _relation(rng: random.Random) -> str:
    return rng.choice(RELATIONS)


def _action(rng: random.Random) -> str:
    if rng.random() < 0.05:
        return f" {FINISHED_TEXT}"
    bins = tuple(rng.randrange(101) for _ in range(6))
    return f" {format_action_text(DeltaAction((*bins, rng.choice((0, 100)))))}"


def _point(rng: random.Random) -> tuple[float, float]:
    return rng.randrange(101) / 100, rng.randrange(101) / 100


def _depth_question(rng: random.Random) -> str:
    x, y = _point(rng)
    thing = _thing(rng)
    question = rng.choice(
        (
            f"What is the depth value of point <{x:.2f},{y:.2f}>?",
            f"What is the depth of the {thing}? Answer in millimeters.",
            f"How far is the {thing} from the camera?",
            f"What are the minimum, maximum and mean depth of the {thing}?",
            f"Which point is closer, <{x:.2f},{y:.2f}> or <{y:.2f},{x:.2f}>?",
        )
    )
    return f"{question} {DEPTH_DIRECT_SUFFIX}" if rng.random() < 0.5 else question


def _depth_dialogue(rng: random.Random) -> str:
    x, y = _point(rng)
    millimetres = None if rng.random() < 0.05 else rng.randrange(100, 12_000)
    call = f" The depth value of point({x:.2f},{y:.2f}) is {format_call(x, y)}."
    answer = format_answers([DepthAnswer(x, y, millimetres)])
    return f"{call}\n{answer}\n The depth of the {_thing(rng)} is {millimetres} mm."


def _thing(rng: random.Random) -> str:
    name = rng.choice((*THINGS, *PEOPLE, *TOYS))
    return f"{rng.choice((*COLORS, *ADJECTIVES))} {name}" if rng.random() < 0.5 else name


def _comparison(rng: random.Random) -> str:
    first, second = _thing(rng), _thing(rng)
    side = rng.choice((*SIDES, "closer to the camera than", "farther from the camera than"))
    answer = rng.choice((f"Yes, the {first} is {side} the {second}.", "No.", "Yes."))
    question = rng.choice(
        (
            f"Is the {first} {side} the {second}?",
            f"Where is the {first} in relation to the {second}?",
            f"Which is closer to the camera, the {first} or the {second}?",
            f"Which one is bigger in the real world, the {first} or the {second}?",
            f"Which object is behind the {first}? Choose from the options: (A) {second} (B) none",
        )
    )
    return f"{question} {answer}"


def _description(rng: random.Random) -> str:
    person, thing, other = rng.choice(PEOPLE), _thing(rng), _thing(rng)
    return (
        f"Describe the image in detail with depth information. The image shows a {person}"
        f" {rng.choice(VERBS)} a {thing} in the {rng.choice(SCENES)}. There is a {other}"
        f" {rng.choice(SIDES)} the {person}, about {rng.randrange(1, 9)}.{rng.randrange(10)} meters"
        " away. In the foreground and in the background there are several other things."
    )


def _counting(rng: random.Random) -> str:
    count = rng.randrange(len(NUMBERS))
    thing = _thing(rng)
    return (
        f"How many {thing}s are in the picture? Answer with a single number. {count}"
        f" There are {NUMBERS[count]} {thing}s that can be seen. Does a {thing} exist in the image?"
        f" {rng.choice(('Yes', 'No'))}."
    )


def _reaching(rng: random.Random) -> str:
    first, second = _thing(rng), _thing(rng)
    return (
        f"Has the {first} reached or touched the {second}? Is the gripper holding the {first}?"
        f" The robot gripper is {rng.choice(('open', 'closed'))}, {rng.randrange(1, 60)} cm"
        f" {rng.choice(SIDES)} the {second}. Move the arm to {rng.choice(('x', 'y', 'z'))}"
        f" {rng.choice(('up', 'down', 'forward', 'backward'))} and {rng.choice(_TAKE)} it."
    )
