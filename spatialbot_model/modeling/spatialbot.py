"""SpatialBot: images of known role and text in, text and action tokens out."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.modeling.action_queries import ActionQueries
from spatialbot_model.modeling.aligned_loss import (
    IGNORED_TARGET,
    aligned_loss,
    kept_targets,
)
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.projector import (
    ImageTokenEmbedding,
    Projector,
    average_tokens,
    pixel_shuffle,
)
from spatialbot_model.modeling.robot_state import RobotStateEmbedding
from spatialbot_model.modeling.vision import make_vision_tower, patch_features

IMAGE_INPUTS = ("pixel_values", "image_roles", "image_ages", "image_features", "robot_state")


class SpatialBotForConditionalGeneration(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """Vision tower, projector and causal language model of the paper (III-A).

    One tower encodes RGB and depth. Image positions of the prompt hold `image_token_id`, as
    often as the image has tokens (`tokens_per_image`), and are replaced by projected features
    in textual order. B prompts, T positions, N images of the whole batch row by row, P tokens
    of one image, D the width of the language model.
    """

    config_class = SpatialBotConfig
    config: SpatialBotConfig
    main_input_name = "input_ids"
    base_model_prefix = ""
    input_modalities = ["image", "text"]  # noqa: RUF012 - the library's own type
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    # PEFT reads the tied weights of sub-models only below a model that has such a table
    _tied_weights_keys = {}  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__(config)
        self.vision_tower = make_vision_tower(config)
        self.projector = Projector(config)
        self.image_embedding = ImageTokenEmbedding(config) if config.image_embeddings else None
        self.state_embedding = RobotStateEmbedding(config) if config.robot_state else None
        self.action_queries = ActionQueries(config) if config.waypoint_queries else None
        self.language_model: Any = AutoModelForCausalLM.from_config(config.text)  # type: ignore[no-untyped-call]
        self.post_init()  # type: ignore[no-untyped-call]
        # a placeholder is an input, never an answer, and no tokenizer knows the rows behind it
        unwanted = list(range(config.image_token_id, config.embedding_rows))
        if config.action_query_token_id is not None:
            unwanted.append(config.action_query_token_id)
        self.generation_config.suppress_tokens = unwanted or None

    def get_input_embeddings(self) -> nn.Module:
        """Embedding of the language model."""
        embedding: nn.Module = self.language_model.get_input_embeddings()
        return embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the embedding of the language model."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """Head of the language model."""
        head: nn.Module = self.language_model.get_output_embeddings()
        return head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace the head of the language model."""
        self.language_model.set_output_embeddings(new_embeddings)

    def tokens_per_image(self, age: int) -> int:
        """Image tokens that one image of `age` (0 = newest) takes in the prompt."""
        return self.config.tokens_per_image(age)

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """Features of images, through tower and projector; worth keeping from step to step.

        Knows nothing of role or age. The same images in the same call give the same bits on
        the same machine; other images beside them may change the last ones, because libraries
        choose their kernels by shape.

        Args:
            pixel_values: (N, 3, S, S), normalised as the processor does; rgb and depth of each
                frame by turns when the model joins them.

        Returns:
            (N, tokens_per_image(0), D), or (N / 2, ..) when rgb and depth are joined. With
            `pool_before_projector` the tokens of an older frame stand behind those.

        Raises:
            ConfigurationError: images of another size than the tower's, or half a frame.
        """
        return self.project_features(self.tower_features(pixel_values))

    def tower_features(self, pixel_values: Tensor) -> Tensor:
        """What the projector is given of images: (F, P, C), F images or joined frames.

        Raises:
            ConfigurationError: see `encode_images`.
        """
        features = patch_features(self.vision_tower, self.config, pixel_values)
        features = pixel_shuffle(features, self.config.pixel_shuffle)
        if not self.config.join_depth:
            return features
        if len(features) % 2:
            raise ConfigurationError(
                f"{len(features)} images were given; this model joins RGB and depth and is shown"
                " both of every frame"
            )
        return torch.cat((features[0::2], features[1::2]), dim=-1)

    def project_features(self, features: Tensor) -> Tensor:
        """(F, P, C) of `tower_features` to what `encode_images` returns."""
        if self.config.pool_before_projector:
            pooled = average_tokens(features, self.config.history_pool)
            features = torch.cat((features, pooled), dim=1)
        return self.projector.project(features)

    def image_tokens(
        self,
        features: Tensor,
        image_roles: Tensor | Sequence[int] | None = None,
        image_ages: Tensor | Sequence[int] | None = None,
    ) -> list[Tensor]:
        """What stands in the prompt for each image: embeddings added, older frames pooled.

        Args:
            features: (N, P, D) from `encode_images`.
            image_roles: (N,) 0 = rgb, 1 = depth; needed with image embeddings only.
            image_ages: (N,) frames back from the newest; all newest when left out.

        Returns:
            N tensors (tokens_per_image(age), D).

        Raises:
            ConfigurationError: roles or ages missing, of another number, or out of range.
        """
        count, num_full = features.shape[0], self.config.tokens_per_image(0)
        ages = _to_list(image_ages) if image_ages is not None else [0] * count
        if self.image_embedding is not None and image_roles is None:
            raise ConfigurationError(
                "this model embeds what an image is; pass image_roles, 0 = rgb and 1 = depth"
            )
        roles = _to_list(image_roles) if image_roles is not None else [0] * count
        if len(roles) != count or len(ages) != count:
            raise ConfigurationError(
                f"{count} images with {len(roles)} roles and {len(ages)} ages; expected one each"
            )
        if self.config.pool_before_projector:
            return [
                self._with_embedding(tokens[num_full:] if age else tokens[:num_full], role, age)
                for tokens, role, age in zip(features, roles, ages, strict=True)
            ]
        if self.image_embedding is not None:
            features = self.image_embedding(features, roles, ages)
        prompt_tokens = list(features)
        older = [index for index, age in enumerate(ages) if age > 0]
        if self.config.history_pool > 1 and older:
            pooled = average_tokens(features[older], self.config.history_pool)
            for index, tokens in zip(older, pooled, strict=True):
                prompt_tokens[index] = tokens
        return prompt_tokens

    def state_token(self, robot_state: Tensor | None) -> Tensor:
        """(B, D) tokens of robot states (B, 21), see `RobotStateEmbedding`.

        Raises:
            ConfigurationError: the model was made without.
        """
        if self.state_embedding is None:
            raise ConfigurationError("this model takes no robot state")
        token: Tensor = self.state_embedding(robot_state)
        return token

    def embed_ids(self, input_ids: Tensor) -> Tensor:
        """(B, T) ids to (B, T, D); queries of parallel decoding are told apart by their order."""
        embeds: Tensor = self.get_input_embeddings()(input_ids)
        return (
            embeds if self.action_queries is None else embeds + self.action_queries.added(input_ids)
        )

    def merge(self, input_ids: Tensor, image_features: Tensor | None) -> Tensor:
        """Input embeddings of a prompt, image positions replaced by features.

        Args:
            input_ids: (B, T); ids beyond the embedding rows are allowed at image positions.
            image_features: (sum of image tokens, D) in the order of the positions, or None.

        Returns:
            (B, T, D).

        Raises:
            ValueError: features and image positions differ in number, or an id that is no
                image lies beyond the embedding rows (seen on CPU only, where looking is free).
        """
        is_image = input_ids == self.config.image_token_id
        text_ids = input_ids.masked_fill(is_image, 0)
        num_positions = int(is_image.sum())
        num_features = 0 if image_features is None else image_features.shape[0]
        if num_positions != num_features:
            raise ValueError(
                f"the prompt has {num_positions} image positions and {num_features} image"
                " features were given; render prompt and images with the same processor"
            )
        rows = self.config.embedding_rows
        if text_ids.device.type == "cpu" and text_ids.numel() and int(text_ids.max()) >= rows:
            raise ValueError(
                f"token id {int(text_ids.max())} lies beyond the {rows} embedding rows; use the"
                " tokenizer saved beside this model"
            )
        embeds = self.embed_ids(text_ids)
        if image_features is None or not num_positions:
            return embeds
        return embeds.masked_scatter(
            is_image[..., None], image_features.to(embeds.device, embeds.dtype)
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_roles: Tensor | None = None,
        image_ages: Tensor | None = None,
        image_features: Tensor | None = None,
        robot_state: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits, and the mean cross entropy of the supervised positions if asked for.

        Args:
            input_ids: (B, T).
            pixel_values: (N, 3, S, S), all images of the batch, row by row in textual order.
            image_roles: (N,) of `pixel_values`.
            image_ages: (N,) of `pixel_values`.
            image_features: (sum of image tokens, D) instead of `pixel_values`.
            robot_state: (B, 21) of `RobotState.vector`, for models that take it; with
                `image_features` its tokens are among them.
            inputs_embeds: (B, T, D) instead of ids and images.
            attention_mask: as the language model takes it: (B, T), 4D, or its own mapping.
            position_ids: (B, T).
            past_key_values: cache of the language model.
            labels: (B, T) ids, -100 where unsupervised; shifted here (Hugging Face's way).
            targets: (B, T) ids to be predicted at each position, -100 elsewhere; not shifted.
            use_cache: return the cache.
            logits_to_keep: as the language model takes it: 0 = all positions, n = the last n,
                or (K,) positions; the loss is then over these (`supervised_positions`).
            kwargs: passed to the language model; `num_items_in_batch` divides the loss.

        Raises:
            ValueError: contradictory inputs, or counts that differ (see `merge`).
        """
        num_items = kwargs.pop("num_items_in_batch", None)
        if labels is not None and targets is not None:
            raise ValueError("give labels (shifted here) or targets (already aligned), not both")
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            assert input_ids is not None
            if pixel_values is not None:
                if image_features is not None:
                    raise ValueError("give pixel_values or image_features, not both")
                encoded = self.encode_images(pixel_values)
                image_features = self.prompt_features(
                    encoded, image_roles, image_ages, robot_state, len(input_ids)
                )
            inputs_embeds = self.merge(input_ids, image_features)
        outputs: Any = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )
        if labels is not None:
            targets = F.pad(labels[:, 1:], (0, 1), value=IGNORED_TARGET)
        if targets is not None:
            outputs.loss = aligned_loss(
                outputs.logits, kept_targets(targets, logits_to_keep), num_items
            )
        answer: CausalLMOutputWithPast = outputs
        return answer

    def prompt_features(
        self,
        encoded: Tensor,
        image_roles: Tensor | Sequence[int] | None,
        image_ages: Tensor | Sequence[int] | None,
        robot_state: Tensor | None = None,
        num_rows: int = 1,
    ) -> Tensor:
        """(sum n_i, D): all image positions of a batch, each row's state behind its newest one.

        Args:
            encoded: of `encode_images`.
            image_roles, image_ages: of all images, those that are joined to others included.
            robot_state: (B, 21), see `state_token`.
            num_rows: B; rows have equally many images where the model takes a state.

        Raises:
            ConfigurationError: see `image_tokens`.
        """
        if self.config.join_depth:
            image_roles = None if image_roles is None else image_roles[0::2]
            image_ages = None if image_ages is None else image_ages[0::2]
        tokens = self.image_tokens(encoded, image_roles, image_ages)
        if self.state_embedding is None:
            return torch.cat(tokens)
        states = self.state_token(robot_state).expand(num_rows, -1)
        per_row = len(tokens) // num_rows
        for row in range(num_rows):
            at = row * per_row
            tokens[at] = torch.cat((tokens[at], states[row : row + 1].to(tokens[at].dtype)))
        return torch.cat(tokens)

    def _with_embedding(self, tokens: Tensor, role: int, age: int) -> Tensor:
        if self.image_embedding is None:
            return tokens
        embedded: Tensor = self.image_embedding(tokens[None], [role], [age])[0]
        return embedded

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, is_first_iteration: bool | None = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Inputs of one step of `generate`: with a cache, images enter in the first one only."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids,  # type: ignore[arg-type]
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in IMAGE_INPUTS:
                inputs.pop(name, None)
        return inputs

    def _expand_inputs_for_generation(  # type: ignore[override]
        self, expand_size: int = 1, is_encoder_decoder: bool = False, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        if expand_size > 1 and any(kwargs.get(name) is not None for name in IMAGE_INPUTS):
            # the library repeats every tensor row by row, which would tear images apart
            raise ConfigurationError(
                "beams and several answers per prompt are not supported with images; pass"
                " inputs_embeds from `merge`, or repeat the prompts in the batch"
            )
        expanded: tuple[Any, dict[str, Any]] = super()._expand_inputs_for_generation(  # type: ignore[misc]
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, **kwargs
        )
        return expanded


def _to_list(values: Tensor | Sequence[int]) -> list[int]:
    return [int(value) for value in values]


AutoModel.register(SpatialBotConfig, SpatialBotForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(
    SpatialBotConfig, SpatialBotForConditionalGeneration, exist_ok=True
)
