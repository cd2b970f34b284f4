"""ROS parameters declared once, as the fields of a frozen dataclass.

A node's parameters are one dataclass whose fields carry default, description and range::

    @dataclass(frozen=True, slots=True)
    class CameraParameters:
        rate_hz: float = parameter(15.0, "frames per second", low=1.0, high=90.0)

`declare` makes them ROS parameters (read-only, described, range-checked by rclpy) and
returns an instance: the node works on an immutable snapshot and cannot be loosened
behind its back. A field may name a ROS parameter with dots through ``name=``.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node

from spatialbot_model.contracts.errors import ConfigurationError

P = TypeVar("P")


def parameter(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    name: str | None = None,
) -> Any:
    """One parameter: default value (its type is the parameter's type), text and range."""
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "choices": tuple(choices),
        "name": name,
    }
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def declare(node: Node, parameters_type: type[P]) -> P:
    """Declare every field on the node and return the values in force.

    Raises:
        ConfigurationError: a given value has the wrong type, is out of range or is no choice.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(parameters_type):  # type: ignore[arg-type]
        default = (
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default
        )
        name = field.metadata["name"] or field.name
        try:
            value = node.declare_parameter(name, default, _descriptor(field, default)).value
        except (
            InvalidParameterTypeException,
            InvalidParameterValueException,
            ParameterUninitializedException,
        ) as error:
            raise ConfigurationError(
                f"parameter {name!r} of node {node.get_name()!r}: {error}."
                f" Expected {_expectation(field, default)}."
            ) from error
        choices = field.metadata["choices"]
        if choices and value not in choices:
            raise ConfigurationError(
                f"parameter {name!r} of node {node.get_name()!r} is {value!r};"
                f" choose one of: {', '.join(choices)}"
            )
        values[field.name] = list(value) if isinstance(default, list) else value
    return parameters_type(**values)


def _descriptor(field: "dataclasses.Field[Any]", default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=field.metadata["description"], read_only=True)
    low, high = field.metadata["low"], field.metadata["high"]
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
        elif isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    if field.metadata["choices"]:
        descriptor.additional_constraints = "one of: " + ", ".join(field.metadata["choices"])
    return descriptor


def _expectation(field: "dataclasses.Field[Any]", default: Any) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    kind = type(default).__name__
    return kind if low is None or high is None else f"{kind} in [{low}, {high}]"
