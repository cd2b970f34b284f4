"""``tf.train.Example`` without TensorFlow: named lists of bytes, floats or integers."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import MissingDependencyError, RecordingError

MAX_BYTES = 2**31 - 1
"""Protocol buffers hold no more in one message."""

Values = list[bytes] | NDArray[np.float32] | NDArray[np.int64]


def encode_example(features: Mapping[str, Values]) -> bytes:
    """Serialise; equal features give equal bytes.

    Args:
        features: lists of bytes, or flat arrays of float32 or int64.

    Raises:
        RecordingError: more than `MAX_BYTES`.
    """
    total = sum(
        sum(map(len, values)) if isinstance(values, list) else values.nbytes
        for values in features.values()
    )
    if total > MAX_BYTES:
        raise RecordingError(
            f"an episode of {total / 1e9:.1f} GB does not fit into one RLDS record, which holds"
            f" {MAX_BYTES / 1e9:.1f} GB; use LeRobot's format for episodes of this length"
        )
    example = _example_class()()
    for name, values in features.items():
        feature = example.features.feature[name]
        if isinstance(values, list):
            feature.bytes_list.value.extend(values)
        elif values.dtype == np.float32:
            feature.float_list.value.extend(values.tolist())
        else:
            feature.int64_list.value.extend(values.tolist())
    return bytes(example.SerializeToString(deterministic=True))


def decode_example(data: bytes) -> dict[str, Values]:
    """Inverse of `encode_example`; a feature without values is an empty list.

    Raises:
        RecordingError: not an Example.
    """
    from google.protobuf.message import DecodeError

    example = _example_class()()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise RecordingError(f"a record is no tf.train.Example: {error}") from error
    features: dict[str, Values] = {}
    for name, feature in example.features.feature.items():
        if feature.HasField("float_list"):
            features[name] = np.array(feature.float_list.value, dtype=np.float32)
        elif feature.HasField("int64_list"):
            features[name] = np.array(feature.int64_list.value, dtype=np.int64)
        else:
            features[name] = list(feature.bytes_list.value)
    return features


@cache
def _example_class() -> Any:
    """The message class, from the published definition (tensorflow/core/example)."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise MissingDependencyError(
            "RLDS needs protobuf; install it with `pip install 'spatialbot_ros[data]'`"
        ) from error
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tf", syntax="proto3")

    def message(name: str) -> Any:
        return file.message_type.add(name=name)

    def field(owner: Any, name: str, number: int, kind: int, **more: Any) -> None:
        label = more.pop("label", kinds.LABEL_OPTIONAL)
        owner.field.add(name=name, number=number, type=kind, label=label, **more)

    for name, kind in (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    ):
        field(message(name), "value", 1, kind, label=kinds.LABEL_REPEATED)
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), start=1):
        more = {"type_name": f".tf.{name}List", "oneof_index": 0}
        field(feature, f"{name.lower()}_list", number, kinds.TYPE_MESSAGE, **more)
    features = message("Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    field(entry, "key", 1, kinds.TYPE_STRING)
    field(entry, "value", 2, kinds.TYPE_MESSAGE, type_name=".tf.Feature")
    more = {"type_name": ".tf.Features.FeatureEntry", "label": kinds.LABEL_REPEATED}
    field(features, "feature", 1, kinds.TYPE_MESSAGE, **more)
    field(message("Example"), "features", 1, kinds.TYPE_MESSAGE, type_name=".tf.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf.Example"))
