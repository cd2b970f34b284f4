"""From patch features to tokens of the language model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import IMAGE_ROLES
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.vision import feature_width


def pixel_shuffle(features: Tensor, side: int) -> Tensor:
    """Join each square of `side` x `side` patches into one token.

    (N, g*g, C) to (N, (g/side)^2, side*side*C). Output token (y, x) holds patch
    (side*y + i, side*x + j) in channels ``(i*side + j)*C`` onward: the patches of a square row
    by row, each with its channels together.
    """
    if side == 1:
        return features
    count, patches, width = features.shape
    grid = round(patches**0.5)
    split = features.reshape(count, grid // side, side, grid // side, side, width)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(
        count, patches // (side * side), side * side * width
    )


class Projector(nn.Module):
    """Optional pixel shuffle and layer norm, then Linear, GELU, Linear."""

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__()
        self.shuffle_side = config.pixel_shuffle
        width_in = feature_width(config) * config.pixel_shuffle**2 * (1 + config.join_depth)
        width = int(config.text.hidden_size)
        has_norm = config.projector_type == "norm_mlp2x_gelu"
        self.norm = nn.LayerNorm(width_in) if has_norm else None
        self.linear_1 = nn.Linear(width_in, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """(N, P, C) patch features to (N, P / pixel_shuffle^2, D) tokens."""
        return self.project(pixel_shuffle(features, self.shuffle_side))

    def project(self, x: Tensor) -> Tensor:
        """(N, P, C') features, joined as the configuration says, to (N, P, D) tokens."""
        if self.norm is not None:
            x = self.norm(x)
        out: Tensor = self.linear_2(F.gelu(self.linear_1(x)))
        return out


class ImageTokenEmbedding(nn.Module):
    """Learned embeddings of where a token lies, what its image is and how old it is."""

    def __init__(self, config: SpatialBotConfig) -> None:
        super().__init__()
        width = int(config.text.hidden_size)
        self.position = nn.Embedding(config.token_grid**2, width)
        self.role = nn.Embedding(len(IMAGE_ROLES), width)
        self.age = nn.Embedding(config.max_image_age + 1, width)

    def forward(self, tokens: Tensor, roles: Sequence[int], ages: Sequence[int]) -> Tensor:
        """(N, P, D) tokens with the three embeddings of each image added.

        Fewer tokens than a newest image has are those of pooled squares.

        Raises:
            ConfigurationError: a role or age that has no embedding.
        """
        num_roles, num_ages = self.role.num_embeddings, self.age.num_embeddings
        if not all(0 <= role < num_roles for role in roles) or not all(
            0 <= age < num_ages for age in ages
        ):
            raise ConfigurationError(
                f"image roles {list(roles)} or ages {list(ages)} have no embedding; expected roles"
                f" 0..{num_roles - 1} and ages 0..{num_ages - 1}"
            )
        device = tokens.device
        of_image = self.role(torch.tensor(roles, dtype=torch.long, device=device)) + self.age(
            torch.tensor(ages, dtype=torch.long, device=device)
        )
        position = self.position.weight
        if tokens.shape[1] != len(position):
            side = round((len(position) / tokens.shape[1]) ** 0.5)
            position = average_tokens(position[None], side)[0]
        embedded: Tensor = tokens + (position + of_image[:, None])
        return embedded


def average_tokens(tokens: Tensor, side: int) -> Tensor:
    """(N, g*g, D) tokens to (N, (g/side)^2, D): means of squares of `side` x `side` tokens.

    Summed in a fixed order, so that an image has the same bits whatever stands beside it.
    """
    if side == 1:
        return tokens
    count, num_tokens, width = tokens.shape
    grid = round(num_tokens**0.5)
    squares = tokens.reshape(count, grid // side, side, grid // side, side, width).float()
    total = sum(squares[:, :, i, :, j] for i in range(side) for j in range(side))
    assert isinstance(total, Tensor)
    mean = (total / (side * side)).to(tokens.dtype)
    return mean.reshape(count, num_tokens // (side * side), width)
