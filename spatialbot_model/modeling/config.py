"""Configuration of SpatialBot: a vision tower, a projector and any causal language model."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from transformers import AutoConfig, PreTrainedConfig

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.history import HISTORY_LENGTH
from spatialbot_model.modeling.efficientnet import COARSE_STRIDE, EfficientNetLite0Config

VISION_MODEL_TYPES = (
    "clip_vision_model",
    "siglip_vision_model",
    EfficientNetLite0Config.model_type,
)
PROJECTOR_TYPES = ("mlp2x_gelu", "norm_mlp2x_gelu")
ACTION_FORMS = ("tokens", "text")


class SpatialBotConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]  # library
    """What a SpatialBot checkpoint is made of; round-trips through ``config.json``.

    Attributes:
        vision_config: configuration of a CLIP, SigLIP or EfficientNet-Lite0 tower.
        text_config: configuration of any causal language model of transformers.
        projector_type: "mlp2x_gelu" (Linear, GELU, Linear), or "norm_mlp2x_gelu" with a layer
            norm before it, for towers whose features are not normalised.
        pixel_shuffle: side of the square of patches joined into one token; 1 joins none.
        history_pool: side of the square of tokens averaged into one in images of age > 0.
        vision_feature_layer: hidden state of the tower that is projected, as an index into
            (embeddings, layer 1, .., layer n); without meaning for EfficientNet.
        drop_class_token: leave the tower's first position (CLS) out.
        image_embeddings: add learned embeddings of position, role and age to image tokens.
        max_image_age: largest age that has an embedding.
        image_token_id: placeholder in the prompt; may lie beyond the embedding rows.
        first_action_token_id: id of action bin 0; the 101 bins follow one another.
        action_query_token_id: input at the action positions when decoded in parallel.
        action_form: how actions are written, "tokens" or "text".
        join_depth: a frame's RGB and depth features are joined channel by channel before the
            projector: its rgb image takes the tokens, its depth image none.
        pool_before_projector: older frames are pooled before the projector, not behind it.
        robot_state: a token of what the robot measures stands behind the newest rgb image.
        waypoint_queries: parallel decoding asks for this many waypoints in front of the seven
            numbers: where to grasp, where to release.
        waypoint_motion: the numbers are read with the way from the tool to those waypoints.
        parallel_actions: trained to give the seven action tokens in one pass.
        action_spec: `ActionSpec.to_mapping()` of the robot it was trained for, or None.
    """

    model_type = "spatialbot"
    sub_configs: ClassVar[dict[str, Any]] = {
        "vision_config": AutoConfig,
        "text_config": AutoConfig,
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    projector_type: str = "mlp2x_gelu"
    pixel_shuffle: int = 1
    history_pool: int = 1
    vision_feature_layer: int = -2
    drop_class_token: bool = True
    image_embeddings: bool = False
    max_image_age: int = HISTORY_LENGTH - 1
    image_token_id: int = 151748
    first_action_token_id: int | None = None
    action_query_token_id: int | None = None
    action_form: Literal["tokens", "text"] = "text"
    join_depth: bool = False
    pool_before_projector: bool = False
    robot_state: bool = False
    waypoint_queries: int = 0
    waypoint_motion: bool = False
    parallel_actions: bool = False
    action_spec: dict[str, Any] | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = _sub_config(self.vision_config, "clip_vision_model")
        self.text_config = _sub_config(self.text_config, "qwen2")
        # tying is the language model's own affair; tools that read only the outer config see it
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        self._validate()

    def _validate(self) -> None:
        if self.vision.model_type not in VISION_MODEL_TYPES:
            raise UnknownNameError("vision tower", self.vision.model_type, VISION_MODEL_TYPES)
        if self.projector_type not in PROJECTOR_TYPES:
            raise UnknownNameError("projector", self.projector_type, PROJECTOR_TYPES)
        if self.action_form not in ACTION_FORMS:
            raise UnknownNameError("action form", self.action_form, ACTION_FORMS)
        if self.action_form == "tokens" and self.first_action_token_id is None:
            raise ConfigurationError('action_form "tokens" needs first_action_token_id')
        if self.parallel_actions and None in (
            self.first_action_token_id,
            self.action_query_token_id,
        ):
            raise ConfigurationError(
                "parallel_actions needs first_action_token_id and action_query_token_id"
            )
        if self.waypoint_queries < 0 or (self.waypoint_queries and not self.parallel_actions):
            raise ConfigurationError(
                f"waypoint_queries is {self.waypoint_queries}; expected 0, or a positive number"
                " with parallel_actions"
            )
        if self.waypoint_motion and not (self.waypoint_queries and self.robot_state):
            raise ConfigurationError(
                "waypoint_motion needs waypoint_queries and robot_state: the way is from the"
                " robot's tool to a waypoint"
            )
        joined = self.pixel_shuffle * self.history_pool
        if self.pixel_shuffle < 1 or self.history_pool < 1 or self.patch_grid % joined:
            raise ConfigurationError(
                f"pixel_shuffle {self.pixel_shuffle} and history_pool {self.history_pool} must"
                f" divide the {self.patch_grid} x {self.patch_grid} patches of an image"
            )

    @property
    def vision(self) -> PreTrainedConfig:
        """`vision_config` with its type known."""
        assert isinstance(self.vision_config, PreTrainedConfig)
        return self.vision_config

    @property
    def text(self) -> PreTrainedConfig:
        """`text_config` with its type known."""
        assert isinstance(self.text_config, PreTrainedConfig)
        return self.text_config

    @property
    def image_size(self) -> int:
        """Side of the square images that the tower takes [px]."""
        return int(self.vision.image_size)

    @property
    def patch_grid(self) -> int:
        """Patches along one side of an image, as the tower gives them."""
        stride = getattr(self.vision, "patch_size", COARSE_STRIDE)
        return self.image_size // int(stride)

    @property
    def token_grid(self) -> int:
        """Tokens along one side of a newest image, behind the projector."""
        return self.patch_grid // self.pixel_shuffle

    @property
    def embedding_rows(self) -> int:
        """Rows of the language model's embedding; ids beyond them are never looked up."""
        return int(self.text.vocab_size)

    @property
    def context_length(self) -> int:
        """Most positions the language model was made for."""
        return int(self.text.max_position_embeddings)

    @property
    def pooled_tokens(self) -> int:
        """Tokens behind the full ones of an encoded frame: those of its older self."""
        return self.tokens_per_image(1) if self.pool_before_projector else 0

    def tokens_per_image(self, age: int) -> int:
        """Image tokens that one image of `age` (0 = newest) takes in the prompt.

        Raises:
            ConfigurationError: a negative age.
        """
        if age < 0:
            raise ConfigurationError(f"image age is {age}, expected 0 (newest) or more")
        side = self.token_grid if age == 0 else self.token_grid // self.history_pool
        return side * side


def _sub_config(
    value: Mapping[str, Any] | PreTrainedConfig | None, default_type: str
) -> PreTrainedConfig:
    if isinstance(value, PreTrainedConfig):
        return value
    values = dict(value or {})
    config: PreTrainedConfig = AutoConfig.for_model(
        values.pop("model_type", default_type), **values
    )
    return config


AutoConfig.register(SpatialBotConfig.model_type, SpatialBotConfig, exist_ok=True)
