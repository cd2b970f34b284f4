"""The processor: images and conversations -> tensors of the model, and its ids -> text.

It carries everything about a checkpoint's inputs that weights do not say: prompt template, image
settings, tokens per image, context length and the form of actions.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin

from spatialbot_model.contracts.conversation import (
    Conversation,
    Message,
    RenderedPrompt,
    causal_targets,
    decode_reply,
    parallel_inputs,
    render_conversation,
)
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.contracts.prompt_templates import (
    PromptTemplate,
    action_user_text,
    prompt_template,
)
from spatialbot_model.contracts.types import IMAGE_ROLES, ImageRole, PromptImage
from spatialbot_model.processing.images import ImageSettings, preprocess_images
from spatialbot_model.processing.tokens import (
    HfTextEncoder,
    add_layout_tokens,
    load_tokenizer,
)

ActionForm = Literal["tokens", "text"]

ACTION_FORMS: tuple[ActionForm, ...] = ("tokens", "text")

CONFIG_FILE = "processor_config.json"


class SpatialBotProcessor(ProcessorMixin):
    """Inputs and outputs of one checkpoint.

    Attributes:
        image_settings: how pixels are prepared.
        template: name of the prompt template.
        tokens_per_image: image tokens of an image of the newest frame.
        history_tokens_per_image: image tokens of an image of an older frame.
        context_length: most tokens that the model can read.
        action_form: whether actions are seven action tokens or text.
        parallel_actions: whether the model was trained to decode all seven at once.
        depth_tool: whether it was trained to look depths up before it acts.
        frame_roles: the images of each frame that it is shown when it acts.
        join_depth: a depth image takes no tokens, its features are joined to those of the rgb
            image before it.
        robot_state: one more token, of the robot's state, stands behind the newest rgb image.
        waypoint_queries: queries before those of an action decoded in parallel.
        layout: ids of the extra tokens, which are added to the tokenizer if they are not there.
        encoder: plain text <-> ids.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_settings: ImageSettings | Mapping[str, Any],
        tokens_per_image: int,
        context_length: int,
        template: str = "compact",
        history_tokens_per_image: int | None = None,
        action_form: ActionForm = "tokens",
        parallel_actions: bool = False,
        depth_tool: bool = False,
        frame_roles: Sequence[ImageRole] = IMAGE_ROLES,
        join_depth: bool = False,
        robot_state: bool = False,
        waypoint_queries: int = 0,
    ) -> None:
        super().__init__(tokenizer)  # type: ignore[no-untyped-call]
        if not isinstance(image_settings, ImageSettings):
            image_settings = ImageSettings.from_mapping(image_settings)
        if action_form not in ACTION_FORMS:
            raise ConfigurationError(
                f"action form is {action_form!r}, expected one of {ACTION_FORMS}"
            )
        if tuple(frame_roles) not in (IMAGE_ROLES, ("rgb",)):
            raise ConfigurationError(
                f"frame_roles is {list(frame_roles)}, expected {list(IMAGE_ROLES)} or ['rgb']"
            )
        if join_depth and tuple(frame_roles) != IMAGE_ROLES:
            raise ConfigurationError("join_depth needs frame_roles ['rgb', 'depth']")
        if parallel_actions and action_form != "tokens":
            raise ConfigurationError("parallel actions need action_form 'tokens'")
        if history_tokens_per_image is None:
            history_tokens_per_image = tokens_per_image
        if min(tokens_per_image, history_tokens_per_image, context_length) < 1:
            raise ConfigurationError(
                f"tokens_per_image {tokens_per_image}, history_tokens_per_image"
                f" {history_tokens_per_image} and context_length {context_length} must be 1 or more"
            )
        prompt_template(template)
        self.image_settings = image_settings
        self.template = template
        self.tokens_per_image = int(tokens_per_image)
        self.history_tokens_per_image = int(history_tokens_per_image)
        self.context_length = int(context_length)
        self.action_form: ActionForm = action_form
        self.parallel_actions = parallel_actions
        self.depth_tool = bool(depth_tool)
        self.frame_roles: tuple[ImageRole, ...] = tuple(frame_roles)
        self.join_depth = bool(join_depth)
        self.robot_state = bool(robot_state)
        self.waypoint_queries = int(waypoint_queries)
        self.layout = add_layout_tokens(tokenizer, with_actions=action_form == "tokens")
        self.encoder = HfTextEncoder(tokenizer)

    @property
    def prompt_template(self) -> PromptTemplate:
        """The template that `template` names."""
        return prompt_template(self.template)

    def __call__(
        self,
        images: Sequence[PromptImage],
        conversation: Conversation,
        for_generation: bool = True,
    ) -> BatchFeature:
        """One prompt with its images as a batch of one.

        Args:
            images: zero to eight, in the order of `conversation.image_roles`.
            for_generation: whether the model shall answer; else the last message is an answer
                to learn from.

        Returns:
            input_ids (1, T) and attention_mask (1, T) int64; with images pixel_values
            (N, 3, S, S) float32, image_roles (N,) int64 (0 rgb, 1 depth) and image_ages (N,)
            int64; for training also targets (1, T) int64, each the id to predict at its place.

        Raises:
            ConfigurationError: images that differ from the declared roles, or a conversation
                that cannot be rendered.
            ContextLengthError: the prompt is too long.
            DepthCodecError: a depth beyond the profile's range.
        """
        roles = tuple(image.role for image in images)
        if roles != conversation.image_roles:
            raise ConfigurationError(
                f"the images are {roles} and the conversation declares {conversation.image_roles}"
            )
        ages = [image.age for image in images]
        if for_generation:
            ids = self.render(conversation, ages).ids
            features = {}
        else:
            ids, targets = self.training_ids(conversation, ages)
            features = {"targets": torch.from_numpy(targets)[None]}
        features["input_ids"] = torch.from_numpy(ids)[None]
        features["attention_mask"] = torch.ones_like(features["input_ids"])
        if images:
            features["pixel_values"] = self.pixel_values(images)
            features["image_roles"] = torch.tensor([IMAGE_ROLES.index(role) for role in roles])
            features["image_ages"] = torch.tensor(ages)
        return BatchFeature(features)

    def render(
        self, conversation: Conversation, ages: Sequence[int], *, for_generation: bool = True
    ) -> RenderedPrompt:
        """Token ids of a conversation; no pixels are needed.

        Args:
            ages: (N,) control steps of each image before the newest frame.

        Raises:
            ConfigurationError, ContextLengthError: see `render_conversation`.
        """
        return render_conversation(
            conversation,
            self.prompt_template,
            self.encoder,
            self.layout,
            self.image_token_counts(conversation.image_roles, ages),
            context_length=self.context_length,
            for_generation=for_generation,
        )

    def training_ids(
        self, conversation: Conversation, ages: Sequence[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Input ids (T,) and targets (T,) of a conversation that ends with an answer.

        Raises:
            ConfigurationError, ContextLengthError: see `render_conversation`.
        """
        rendered = self.render(conversation, ages, for_generation=False)
        if self.parallel_actions:
            return parallel_inputs(rendered, self.layout, self.waypoint_queries)
        return rendered.ids, causal_targets(rendered)

    def num_image_tokens(self, age: int) -> int:
        """Tokens of one image of this age in control steps."""
        return self.history_tokens_per_image if age > 0 else self.tokens_per_image

    def image_token_counts(self, roles: Sequence[ImageRole], ages: Sequence[int]) -> list[int]:
        """How many placeholders stand in the prompt for each image.

        The robot's state counts with the first image.

        Raises:
            ConfigurationError: rgb and depth do not come by turns where they are joined.
        """
        counts = [self.num_image_tokens(age) for age in ages]
        if self.join_depth:
            if tuple(roles) != IMAGE_ROLES * (len(roles) // 2):
                raise ConfigurationError(
                    f"the images are {list(roles)}; this model joins RGB and depth and is shown"
                    " both of every frame, RGB first"
                )
            counts[1::2] = [0] * (len(counts) // 2)
        if self.robot_state and counts:
            counts[0] += 1
        return counts

    def pixel_values(self, images: Sequence[PromptImage]) -> torch.Tensor:
        """(N, 3, S, S) float32, normalised.

        Raises:
            DepthCodecError: a depth beyond the profile's range.
        """
        return torch.from_numpy(preprocess_images(images, self.image_settings))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of an answer up to its end token; action tokens read ``<act_050>``."""
        return decode_reply(token_ids, self.encoder, self.layout)

    def action_conversation(self, instruction: str, roles: Sequence[ImageRole]) -> Conversation:
        """The question for one control step about the images of an observation.

        Raises:
            ConfigurationError: an empty instruction or more than eight images.
        """
        message = Message("user", action_user_text(instruction, len(roles)))
        return Conversation((message,), tuple(roles))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `processor_config.json`; the tokenizer has files of its own."""
        return {
            "processor_class": type(self).__name__,
            "image_settings": self.image_settings.to_mapping(),
            "tokens_per_image": self.tokens_per_image,
            "context_length": self.context_length,
            "template": self.template,
            "history_tokens_per_image": self.history_tokens_per_image,
            "action_form": self.action_form,
            "parallel_actions": self.parallel_actions,
            "depth_tool": self.depth_tool,
            "frame_roles": list(self.frame_roles),
            "join_depth": self.join_depth,
            "robot_state": self.robot_state,
            "waypoint_queries": self.waypoint_queries,
        }

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> "SpatialBotProcessor":
        """The processor of a checkpoint folder; never looks at the network.

        Args:
            kwargs: settings to use in place of the saved ones; what the hub's loaders pass along
                is ignored.

        Raises:
            CheckpointError: files are missing, or settings are missing or unknown.
        """
        folder = Path(pretrained_model_name_or_path)
        try:
            settings = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{folder} holds no readable {CONFIG_FILE} ({error}); expected the folder of a"
                " SpatialBot checkpoint"
            ) from error
        expected = {"image_settings", "tokens_per_image", "context_length", "template"}
        expected |= {"history_tokens_per_image", "action_form", "parallel_actions", "depth_tool"}
        expected |= {"frame_roles", "join_depth", "robot_state", "waypoint_queries"}
        settings.pop("processor_class", None)
        if set(settings) != expected:
            raise CheckpointError(
                f"{folder / CONFIG_FILE} has the settings {sorted(settings)}, expected exactly"
                f" {sorted(expected)}"
            )
        settings |= {name: value for name, value in kwargs.items() if name in expected}
        try:
            return cls(load_tokenizer(folder), **settings)
        except ConfigurationError as error:
            raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error
