"""The moving reference; it lives in the contracts, because the simulated arm walks it, too."""

from spatialbot_model.contracts.target_reference import TargetReference, pose_error

__all__ = ["TargetReference", "pose_error"]
