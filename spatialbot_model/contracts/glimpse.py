"""How an episode says that it is a glimpse: a few steps from one moment on, no attempt at a task.

Whoever counts episodes counts glimpses apart: they are short and never fail.
"""

from spatialbot_model.contracts.episode import EpisodeMetadata

GLIMPSE_VARIANT = "glimpse"
"""Of episode names."""
STEPS_KEY = "glimpse_steps"
"""Of provenance; stays when somebody relabels the episode."""
UNKNOWN_MOMENT = "unknown"
_PREFIX = "glimpse: "


def reason_of(moment: str) -> str:
    """The reason that a glimpse's label is given."""
    return f"{_PREFIX}{moment}"


def moment_of(metadata: EpisodeMetadata) -> str:
    """The moment from which a glimpse was recorded; "" for whole episodes.

    `UNKNOWN_MOMENT` when the label, and with it the reason, was changed.
    """
    if metadata.reason.startswith(_PREFIX):
        return metadata.reason.removeprefix(_PREFIX)
    return UNKNOWN_MOMENT if STEPS_KEY in metadata.provenance else ""
