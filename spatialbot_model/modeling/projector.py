"""From patch features to tokens of the language model."""

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
        width_in = feature_width(config) * config.pixel_shuffle**2
        width = int(config.text.hidden_size)
        has_norm = config.projector_type == "norm_mlp2x_gelu"
        self.norm = nn.LayerNorm(width_in) if has_norm else None
        self.linear_1 = nn.Linear(width_in, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """(N, P, C) patch features to (N, P / pixel_shuffle^2, D) tokens."""
        x = pixel_shuffle(features, self.shuffle_side)
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

    def forward(self, tokens: Tensor, role: int, age: int) -> Tensor:
        """(P, D) tokens of one newest-sized image with the three embeddings added.

        Raises:
            ConfigurationError: a role or age that has no embedding.
        """
        if not 0 <= role < self.role.num_embeddings or not 0 <= age < self.age.num_embeddings:
            raise ConfigurationError(
                f"image role {role} and age {age} have no embedding; expected roles"
                f" 0..{self.role.num_embeddings - 1} and ages 0..{self.age.num_embeddings - 1}"
            )
        added = self.position.weight + self.role.weight[role] + self.age.weight[age]
        return tokens + added


def average_tokens(tokens: Tensor, side: int) -> Tensor:
    """(g*g, D) tokens to (g/side)^2: the mean of each square of `side` x `side` tokens."""
    if side == 1:
        return tokens
    count, width = tokens.shape
    grid = round(count**0.5)
    squares = tokens.reshape(grid // side, side, grid // side, side, width)
    return torch.mean(squares, dim=(1, 3)).reshape(count // (side * side), width)
