"""The features of an RLDS dataset as TensorFlow Datasets describes and stores them.

An episode is one record; ``steps`` is a dataset of steps with observation, action, reward,
discount, is_first, is_last and is_terminal. TensorFlow Datasets stores every floating-point
number as float32, so that exact numbers (float64) are stored as the bytes of their tensors,
one of its own encodings. Images are PNG; depth is 16-bit PNG in millimetres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spatialbot_model.contracts.action_spec import ACTION_NAMES
from spatialbot_model.contracts.episode_contents import state_names
from spatialbot_model.data.step_columns import STEP_COLUMNS

VERSION = "1.0.0"
SPLIT = "train"
SHARD_MB = 256
STEPS, EPISODE = "steps", "episode_metadata"
MESSAGES, BETWEEN = f"{EPISODE}/messages", f"{EPISODE}/frames_between"
IMAGE, DEPTH = f"{STEPS}/observation/image", f"{STEPS}/observation/depth"
EXACT = f"{STEPS}/exact"

_CORE = "tensorflow_datasets.core.features"
_SEQUENCES = {
    STEPS: f"{_CORE}.dataset_feature.Dataset",
    MESSAGES: f"{_CORE}.sequence_feature.Sequence",
    BETWEEN: f"{_CORE}.sequence_feature.Sequence",
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One stored feature.

    Attributes:
        key: path with slashes, its name in the record.
        dtype: numpy name; ``string`` for text and bytes.
        shape: of one value; () for a single number.
        kind: image, text, or tensor.
        doc: meaning and unit.
    """

    key: str
    dtype: str
    shape: tuple[int, ...] = ()
    kind: str = "tensor"
    doc: str = ""

    @property
    def as_bytes(self) -> bool:
        """Stored as the bytes of the tensor, because the numbers would be rounded."""
        return self.dtype == "float64"

    def to_json(self) -> dict[str, Any]:
        """As features.json describes it."""
        dimensions = {"dimensions": [str(n) for n in self.shape]} if self.shape else {}
        if self.kind == "text":
            described: dict[str, Any] = {
                "pythonClassName": f"{_CORE}.text_feature.Text",
                "text": {},
            }
        elif self.kind == "image":
            described = {
                "pythonClassName": f"{_CORE}.image_feature.Image",
                "image": {"shape": dimensions, "dtype": self.dtype, "encodingFormat": "png"},
            }
        else:
            name = "tensor_feature.Tensor"
            if not self.shape and not self.as_bytes and self.dtype != "string":
                name = "scalar.Scalar"
            encoding = "bytes" if self.as_bytes else "none"
            described = {
                "pythonClassName": f"{_CORE}.{name}",
                "tensor": {"shape": dimensions, "dtype": self.dtype, "encoding": encoding},
            }
        return described | ({"description": self.doc} if self.doc else {})


def leaves(joint_names: Sequence[str], height: int, width: int) -> tuple[Leaf, ...]:
    """Every feature of a dataset with these joints and this image size."""

    def text(key: str, doc: str = "") -> Leaf:
        return Leaf(key, "string", kind="text", doc=doc)

    def images(parent: str) -> list[Leaf]:
        depth = "depth aligned to colour [mm], 0 = no return"
        return [
            Leaf(f"{parent}/image", "uint8", (height, width, 3), "image", "colour, RGB"),
            Leaf(f"{parent}/depth", "uint16", (height, width, 1), "image", depth),
        ]

    state, joints = state_names(joint_names), len(joint_names)
    found = [
        *images(f"{STEPS}/observation"),
        Leaf(f"{STEPS}/observation/state", "float32", (len(state),), doc=", ".join(state)),
        Leaf(f"{STEPS}/action", "float32", (7,), doc=", ".join(ACTION_NAMES) + " [m, rad]"),
        Leaf(f"{STEPS}/reward", "float32", doc="1 at the end of a success"),
        Leaf(f"{STEPS}/discount", "float32"),
        *(Leaf(f"{STEPS}/{name}", "bool") for name in ("is_first", "is_last", "is_terminal")),
        text(f"{STEPS}/language_instruction"),
        text(f"{STEPS}/depth_sha256", "of the depth image's pixels"),
    ]
    for column in STEP_COLUMNS:
        key = f"{EXACT}/{column.name}"
        if column.dtype == "string":
            found.append(text(key, column.doc))
        else:
            found.append(Leaf(key, column.dtype, column.shape(joints), doc=column.doc))
    found += [
        text(f"{EPISODE}/file_path", "name of the recorded episode"),
        *(text(f"{EPISODE}/{name}") for name in ("task", "label", "image_frame_id")),
        Leaf(f"{EPISODE}/success", "bool"),
        Leaf(f"{EPISODE}/seed", "int64", doc="of the scene; -1 when it had none"),
        text(f"{EPISODE}/metadata", "all of the episode's metadata, JSON"),
        text(f"{EPISODE}/action_spec", "what the bins mean, JSON"),
        text(f"{EPISODE}/joint_names", "JSON"),
        text(f"{EPISODE}/type_hashes", "topic -> RIHS01 hash of its messages' type, JSON"),
        Leaf(f"{EPISODE}/intrinsics", "float64", (4,), doc="fx, fy, cx, cy [px]"),
        Leaf(f"{EPISODE}/distortion", "float64", (5,), doc="k1, k2, p1, p2, k3"),
        Leaf(f"{MESSAGES}/log_time_ns", "int64"),
        text(f"{MESSAGES}/topic"),
        Leaf(f"{MESSAGES}/cdr", "string", doc="the recorded message"),
        Leaf(f"{BETWEEN}/capture_ns", "int64", doc="frames that no action was computed from"),
        *images(BETWEEN),
    ]
    return tuple(found)


def features_json(declared: Sequence[Leaf]) -> dict[str, Any]:
    """features.json."""
    tree: dict[str, Any] = {}
    for leaf in declared:
        *parents, name = leaf.key.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    return _describe(tree, "")


def _describe(node: Any, key: str) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return node.to_json()
    children = {name: _describe(child, f"{key}/{name}".strip("/")) for name, child in node.items()}
    described = {
        "pythonClassName": f"{_CORE}.features_dict.FeaturesDict",
        "featuresDict": {"features": children},
    }
    if key in _SEQUENCES:
        return {
            "pythonClassName": _SEQUENCES[key],
            "sequence": {"feature": described, "length": "-1"},
        }
    return described
