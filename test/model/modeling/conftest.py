"""A tiny model in two variants, and random prompts for it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spatialbot_model.modeling import (
    SpatialBotConfig,
    SpatialBotForConditionalGeneration,
    make_config,
    make_model,
)

Inputs = dict[str, Tensor]


def plain_config() -> SpatialBotConfig:
    """As the release: every image alike."""
    return make_config("tiny")


def rich_config() -> SpatialBotConfig:
    """Older frames pooled, learned embeddings of position, role and age."""
    values = make_config("tiny").to_dict()
    return SpatialBotConfig.from_dict(
        values | {"history_pool": 2, "image_embeddings": True, "projector_type": "norm_mlp2x_gelu"}
    )


CONFIGS: dict[str, Callable[[], SpatialBotConfig]] = {"plain": plain_config, "rich": rich_config}


@pytest.fixture(scope="session", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> SpatialBotForConditionalGeneration:
    """Both variants; not to be changed."""
    model = make_model(CONFIGS[request.param]())
    with torch.no_grad():
        # larger than at the start of training, so that what differs in the input shows
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    return model


def random_prompt(
    config: SpatialBotConfig, ages: tuple[int, ...] = (0, 0, 1, 1), words: int = 5, seed: int = 0
) -> Inputs:
    """RGB, depth, RGB, depth, .. of these ages, with words before, between and behind."""
    generator = torch.Generator().manual_seed(seed)

    def text(count: int) -> list[int]:
        return torch.randint(3, 400, (count,), generator=generator).tolist()

    ids = text(words)
    for age in ages:
        ids += [config.image_token_id] * config.tokens_per_image(age) + text(1)
    ids = torch.tensor([ids + text(words)])
    size = config.image_size
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(len(ages), 3, size, size, generator=generator),
        "image_roles": torch.tensor([index % 2 for index in range(len(ages))]),
        "image_ages": torch.tensor(ages),
    }


@pytest.fixture(scope="session")
def make_prompt() -> Callable[..., Inputs]:
    """`random_prompt`."""
    return random_prompt


def left_padded(prompts: list[Inputs]) -> Inputs:
    """One batch of several prompts, padded at the left with id 0."""
    length = max(prompt["input_ids"].shape[1] for prompt in prompts)

    def padded(name: str) -> Tensor:
        rows = [
            torch.nn.functional.pad(prompt[name], (length - prompt[name].shape[1], 0))
            for prompt in prompts
        ]
        return torch.cat(rows)

    images = ("pixel_values", "image_roles", "image_ages")
    return {
        "input_ids": padded("input_ids"),
        "attention_mask": padded("attention_mask"),
    } | {name: torch.cat([prompt[name] for prompt in prompts]) for name in images}


@pytest.fixture(scope="session")
def pad_left() -> Callable[[list[Inputs]], Inputs]:
    """`left_padded`."""
    return left_padded
