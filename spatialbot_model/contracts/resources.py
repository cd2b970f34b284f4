"""Where the files that ship with the package lie: config/, urdf/, launch/, datasets/.

Looked for in the checkout (editable install), in the ament prefixes (colcon) and in
the Python prefix (a plain ``pip install``), in this order.
"""

import os
import sys
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError

_CHECKOUT = Path(__file__).resolve().parents[2]


def share_directories() -> tuple[Path, ...]:
    """Folders that may hold the shipped resources, most specific first."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    shares = [prefix / "share" / "spatialbot_ros" for prefix in (*prefixes, Path(sys.prefix))]
    return (_CHECKOUT, *shares)


def find_resource(relative_path: str) -> Path:
    """Absolute path of a shipped file or folder, e.g. ``config/cell.yaml``.

    Raises:
        ConfigurationError: no installation holds it; names the places looked at.
    """
    for share in share_directories():
        candidate = share / relative_path
        if candidate.exists():
            return candidate
    places = ", ".join(str(share) for share in share_directories())
    raise ConfigurationError(
        f"{relative_path} was not found; looked in {places}. Install the package again"
        " (`make setup`, or `colcon build`)."
    )
