"""Reads the shipped or given YAML files into contract objects."""

from pathlib import Path
from typing import Any

import yaml

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.yaml_text import parse_yaml
from spatialbot_ros.safety_limits import SafetyLimits


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        ConfigurationError: no such file, no YAML, or not a mapping; names the file.
    """
    try:
        data = parse_yaml(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} must hold a mapping, found {type(data).__name__}")
    return data


def load_cell(file: str = "") -> Cell:
    """The cell from `file`, or from the shipped ``config/cell.yaml``."""
    return Cell.from_mapping(load_yaml(_path(file, "config/cell.yaml")))


def load_action_spec(file: str = "") -> ActionSpec:
    """The action spec from `file`, or from the shipped ``config/action_spec.yaml``."""
    return ActionSpec.from_mapping(load_yaml(_path(file, "config/action_spec.yaml")))


def load_safety_limits(file: str = "") -> SafetyLimits:
    """The safety envelope from `file`, or from the shipped ``config/safety.yaml``."""
    return SafetyLimits.from_mapping(load_yaml(_path(file, "config/safety.yaml")))


def _path(file: str, shipped: str) -> Path:
    return Path(file).expanduser() if file else find_resource(shipped)
