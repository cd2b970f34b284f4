"""Images of observations and questions -> their tokens in the prompt."""

from collections.abc import Sequence

import torch
from torch import Tensor

from spatialbot_model.contracts.errors import PolicyError
from spatialbot_model.contracts.types import (
    IMAGE_ROLES,
    ImageRole,
    Observation,
    PromptImage,
    RgbdFrame,
)
from spatialbot_model.inference.stage_clock import StageClock
from spatialbot_model.inference.token_model import Limits
from spatialbot_model.inference.vision_cache import VisionCache
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor


class ImageEncoder:
    """Preprocesses and encodes images with one model.

    Args:
        roles: images of each frame that the model is shown, in this order.
    """

    def __init__(
        self,
        model: SpatialBotForConditionalGeneration,
        processor: SpatialBotProcessor,
        roles: tuple[ImageRole, ...],
    ) -> None:
        self._model, self._processor = model, processor
        self._device = next(model.parameters()).device
        self.roles = roles

    def frame_images(self, frame: RgbdFrame, age: int) -> tuple[PromptImage, ...]:
        """The images of one frame."""
        return tuple(
            PromptImage(role, frame.color if role == "rgb" else frame.depth_mm, age)
            for role in self.roles
        )

    def prompt_images(self, observation: Observation) -> tuple[PromptImage, ...]:
        """The images of an observation in the order of the prompt."""
        return tuple(
            image
            for age, frame in enumerate(observation.frames)
            for image in self.frame_images(frame, age)
        )

    def observation_tokens(
        self, observation: Observation, cache: VisionCache, limits: Limits, clock: StageClock
    ) -> Tensor:
        """(sum n_i, D) image tokens of an observation in the order of the prompt.

        Raises:
            PolicyError: the model needs the robot's state and there is none.
            PolicyTimeoutError, PolicyCancelledError: between two frames, see `Limits`.
        """

        def encode(frame: RgbdFrame) -> Tensor:
            limits.check()
            return self._encode(self.frame_images(frame, 0), clock)

        state = self.robot_state(observation)
        features = cache.features(observation.frames, encode)
        return self._place(torch.cat(features), self.prompt_images(observation), clock, state)

    def robot_state(self, observation: Observation) -> Tensor | None:
        """(1, 21) for a model that acts by it, else None.

        Raises:
            PolicyError: the model needs the robot's state and there is none.
        """
        if not self._processor.robot_state:
            return None
        if observation.robot is None:
            raise PolicyError(
                "this checkpoint acts by the robot's state, and the observation has none;"
                " does the executor publish /spatialbot/executor_state and .../gripper?"
            )
        return torch.from_numpy(observation.robot.vector())[None].to(self._device)

    def image_tokens(self, images: Sequence[PromptImage], clock: StageClock) -> Tensor | None:
        """(sum n_i, D) tokens of any images, None without any."""
        return self._place(self._encode(images, clock), images, clock) if images else None

    def _encode(self, images: Sequence[PromptImage], clock: StageClock) -> Tensor:
        with clock.stage("preprocess"):
            pixels = self._processor.pixel_values(images)
        with clock.stage("encode"), torch.inference_mode():
            return self._model.encode_images(pixels.to(self._device, self._model.dtype))

    def _place(
        self,
        features: Tensor,
        images: Sequence[PromptImage],
        clock: StageClock,
        state: Tensor | None = None,
    ) -> Tensor:
        with clock.stage("encode"), torch.inference_mode():
            roles = [IMAGE_ROLES.index(image.role) for image in images]
            ages = [image.age for image in images]
            return self._model.prompt_features(features, roles, ages, state)
