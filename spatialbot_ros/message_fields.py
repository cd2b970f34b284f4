"""Moved to `spatialbot_model.contracts.message_fields`, which training reads bags with too."""

from spatialbot_model.contracts.message_fields import (
    image_of,
    intrinsics_of,
    stamp_ns_of,
    transform_of,
)

__all__ = ["image_of", "intrinsics_of", "stamp_ns_of", "transform_of"]
