"""Pixels: golden bytes of both modes and geometries, and the exactness of depth."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import SiglipImageProcessorPil

from spatialbot_model.contracts.depth_codec import decode_depth, encode_depth
from spatialbot_model.contracts.depth_tool import point_to_pixel
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    DepthCodecError,
    UnknownNameError,
)
from spatialbot_model.contracts.types import PromptImage
from spatialbot_model.processing.images import (
    ImageSettings,
    preprocess_images,
    resize_nearest,
    square_image,
)

# 584 mm and 1057 mm as the release encodes them
NEAR, FAR = (0, 144, 64), (4, 8, 8)


def depth_image(rows: list[list[int]]) -> PromptImage:
    return PromptImage("depth", np.array(rows, np.uint16))


def test_exact_depth_is_resized_raw_and_padded_with_no_return() -> None:
    image = depth_image([[584] * 4 + [1057] * 4] * 4)
    shown = square_image(image, ImageSettings(4, geometry="pad"))
    rows = [[(0, 0, 0)] * 4, *[[NEAR, NEAR, FAR, FAR]] * 2, [(0, 0, 0)] * 4]
    assert shown.tolist() == np.array(rows).tolist()
    assert decode_depth(shown).tolist() == [[0] * 4, *[[584, 584, 1057, 1057]] * 2, [0] * 4]


def test_exact_depth_is_stretched_by_squash() -> None:
    image = depth_image([[584] * 4 + [1057] * 4] * 4)
    shown = square_image(image, ImageSettings(4, geometry="squash"))
    assert decode_depth(shown).tolist() == [[584, 584, 1057, 1057]] * 4


def test_exact_colour_is_area_averaged_and_padded_with_the_mean() -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, :2] = [[[10, 0, 200], [30, 0, 200]], [[50, 0, 200], [70, 0, 200]]]
    pixels[:, 2:] = (100, 110, 120)
    settings = ImageSettings(2, geometry="pad", mean=(0.48, 0.46, 0.41))
    shown = square_image(PromptImage("rgb", pixels), settings)
    assert shown.tolist() == [[[40, 0, 200], [100, 110, 120]], [[122, 117, 104]] * 2]
    tall = square_image(PromptImage("rgb", pixels.transpose(1, 0, 2)), settings)
    assert tall.tolist() == [[[40, 0, 200], [122, 117, 104]], [[100, 110, 120], [122, 117, 104]]]


def test_release_mode_encodes_then_pads_with_127_then_resizes() -> None:
    image = depth_image([[584, 1057, 1057, 584]] * 2)
    settings = ImageSettings(4, mode="release", geometry="pad")
    border = [[127] * 3] * 4
    rows = [border, *[[list(NEAR), list(FAR), list(FAR), list(NEAR)]] * 2, border]
    assert square_image(image, settings).tolist() == rows


def test_release_mode_blends_codes_as_the_released_weights_saw_it() -> None:
    # a step of 8 equal pixels, halved twice: Pillow's bicubic (a = -0.5, support 2 * 2) by hand
    image = depth_image([[584] * 4 + [1057] * 4] * 8)
    shown = square_image(image, ImageSettings(4, mode="release", geometry="squash"))

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    expected = []
    for column in range(4):
        weights = np.array([kernel((u + 0.5 - 2 * (column + 0.5)) / 2) for u in range(8)])
        weights /= weights.sum()
        blend = [
            sum(weights[:4]) * n + sum(weights[4:]) * f for n, f in zip(NEAR, FAR, strict=True)
        ]
        expected.append(np.clip(blend, 0, 255))
    assert np.abs(shown[0].astype(float) - expected).max() <= 1.0
    with pytest.raises(DepthCodecError):
        decode_depth(shown)


def test_release_mode_equals_the_siglip_processor_of_transformers() -> None:
    """An independent computation: padded with 127, then what transformers does for SigLIP."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    depth_mm = rng.integers(0, 65536, (30, 50), dtype=np.uint16)
    settings = ImageSettings(24, mode="release", geometry="pad")
    values = preprocess_images(
        [PromptImage("rgb", pixels), PromptImage("depth", depth_mm)], settings
    )
    siglip = SiglipImageProcessorPil(size={"height": 24, "width": 24})
    for ours, picture in zip(values, (pixels, encode_depth(depth_mm)), strict=True):
        padded = np.full((50, 50, 3), 127, np.uint8)
        padded[10:40] = picture
        expected = siglip(padded, return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(ours, expected, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
def test_exact_depth_always_decodes_to_a_measured_value(
    seed: int, height: int, width: int, size: int
) -> None:
    depth_mm = np.random.default_rng(seed).integers(1, 65536, (height, width), dtype=np.uint16)
    for geometry in ("pad", "squash"):
        settings = ImageSettings(size, geometry=geometry)  # type: ignore[arg-type]
        decoded = decode_depth(square_image(PromptImage("depth", depth_mm), settings))
        assert set(decoded.ravel().tolist()) <= {0, *depth_mm.ravel().tolist()}
        if geometry == "squash":
            assert decoded.min() > 0


@pytest.mark.parametrize(
    ("target", "source"),
    [*product((28, 160, 336, 384), (424, 480, 640, 1280)), (7, 3), (3, 7), (5, 5), (1, 9)],
)
def test_nearest_takes_the_pixel_that_a_depth_query_would_read(target: int, source: int) -> None:
    columns = np.arange(source, dtype=np.uint16)[None]
    rows = np.arange(source, dtype=np.uint16)[:, None]
    expected = [point_to_pixel((i + 0.5) / target, 0.0, source, 1)[0] for i in range(target)]
    assert resize_nearest(columns, 1, target)[0].tolist() == expected
    assert resize_nearest(rows, target, 1)[:, 0].tolist() == expected


def test_profiles_reach_the_pixels() -> None:
    image = PromptImage("depth", np.full((2, 2), 70_000, np.uint32))
    shown = square_image(image, ImageSettings(2, depth_profile="paper"))
    assert shown.tolist() == encode_depth(image.pixels, "paper").tolist()  # type: ignore[arg-type]
    with pytest.raises(DepthCodecError, match="70000"):
        square_image(image, ImageSettings(2, depth_profile="release"))


def test_values_are_normalised_per_channel() -> None:
    pixels = np.array([[[0, 127, 255]]], np.uint8)
    lite = ImageSettings(1, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    values = preprocess_images([PromptImage("rgb", pixels)], lite)
    assert values.shape == (1, 3, 1, 1) and values.dtype == np.float32
    np.testing.assert_allclose(values.ravel(), [-127 / 128, 0.0, 1.0], atol=1e-6)
    clip = ImageSettings(1, mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28))
    expected = [-0.48 / 0.27, (127 / 255 - 0.46) / 0.26, (1 - 0.41) / 0.28]
    values = preprocess_images([PromptImage("rgb", pixels)], clip)
    np.testing.assert_allclose(values.ravel(), expected, atol=1e-6)


def test_an_image_looks_the_same_in_any_company() -> None:
    rng = np.random.default_rng(0)
    rgb = PromptImage("rgb", rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    depth = PromptImage("depth", rng.integers(0, 9000, (48, 64), dtype=np.uint16), age=1)
    settings = ImageSettings(16)
    together = preprocess_images([rgb, depth], settings)
    assert np.array_equal(together[0], preprocess_images([rgb], settings)[0])
    assert np.array_equal(together[1], preprocess_images([depth], settings)[0])
    assert preprocess_images([], settings).shape == (0, 3, 16, 16)


def test_a_grey_picture_in_three_bands_stays_colour() -> None:
    """What the release guesses from the number of bands is declared here."""
    pixels = np.full((4, 4, 3), 80, np.uint8)
    assert (square_image(PromptImage("rgb", pixels), ImageSettings(2)) == 80).all()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"size": 0}, "size"),
        ({"size": 16.0}, "size"),
        ({"size": 16, "mode": "fast"}, "mode"),
        ({"size": 16, "geometry": "crop"}, "geometry"),
        ({"size": 16, "std": (0.0, 1.0, 1.0)}, "std"),
        ({"size": 16, "mean": (0.5, 0.5)}, "mean"),
        ({"size": 16, "mean": (0.5, 0.5, float("nan"))}, "mean"),
    ],
)
def test_unusable_settings_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        ImageSettings(**settings)  # type: ignore[arg-type]


def test_settings_survive_a_mapping_and_default_to_nothing() -> None:
    settings = ImageSettings(16, "release", "squash", "paper", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert ImageSettings.from_mapping(settings.to_mapping()) == settings
    with pytest.raises(ConfigurationError, match="expected exactly"):
        ImageSettings.from_mapping({"size": 16})
    with pytest.raises(UnknownNameError, match="uint24"):
        ImageSettings(16, depth_profile="metres")
