"""Message definitions for bags: ROS's own from rosbags, ours from the installed .msg files."""

from functools import cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.resources import share_directories

_PACKAGE = "spatialbot_msgs"


@cache
def message_types() -> Typestore:
    """All types an episode may hold; the hashes equal those of the running ROS.

    Raises:
        RecordingError: the .msg files of spatialbot_msgs are nowhere installed.
    """
    store = get_typestore(Stores.ROS2_KILTED)
    for file in sorted(_message_folder().glob("*.msg")):
        store.register(
            get_types_from_msg(file.read_text(encoding="utf-8"), f"{_PACKAGE}/msg/{file.stem}")
        )
    return store


def _message_folder() -> Path:
    relative = Path(_PACKAGE) / "msg"
    shares = share_directories()
    # installed beside spatialbot_ros, or part of the checkout
    candidates = [share.parent / relative for share in shares]
    candidates += [share / relative for share in shares]
    for folder in candidates:
        if any(folder.glob("*.msg")):
            return folder
    places = ", ".join(str(folder) for folder in candidates)
    raise RecordingError(
        f"the message definitions of {_PACKAGE} were not found; looked in {places}. Build the"
        " messages again (`make setup`, or `colcon build`)."
    )
