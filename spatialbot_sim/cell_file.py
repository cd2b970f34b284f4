"""The cell that is simulated, from its file."""

from pathlib import Path

import yaml

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.yaml_text import parse_yaml


def read_cell(file: str = "") -> Cell:
    """The cell from `file`, or from the shipped ``config/cell.yaml``.

    Raises:
        ConfigurationError: no such file, no YAML, or not a cell.
    """
    path = Path(file).expanduser() if file else find_resource("config/cell.yaml")
    try:
        data = parse_yaml(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read the cell in {path}: {error}") from error
    return Cell.from_mapping(data)
