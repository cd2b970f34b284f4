"""The named prompt variants and the texts that users' messages are made of."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.prompt_templates import (
    PROMPT_TEMPLATES,
    action_user_text,
    image_user_text,
    prompt_template,
)


def test_there_are_the_five_released_variants_and_our_own() -> None:
    released = {"training", "quickstart", "cli", "spatialbench", "rtx"}
    assert set(PROMPT_TEMPLATES) == {f"release-{name}" for name in released} | {"compact"}
    for name in PROMPT_TEMPLATES:
        assert prompt_template(name).name == name


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("release-training", "pad"),
        ("release-quickstart", "pad"),
        ("release-cli", "squash"),
        ("release-spatialbench", "squash"),
        ("release-rtx", "squash"),
    ],
)
def test_variants_know_how_images_become_square(name: str, geometry: str) -> None:
    assert prompt_template(name).geometry == geometry


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="release-training"):
        prompt_template("training")


def test_the_action_question_is_that_of_the_release() -> None:
    assert action_user_text("lift the red block", 4) == (
        "<image 1>\n<image 2>\n<image 3>\n<image 4>\n"
        "Instruct the robot to lift the red block\nAnswer with robot parameters."
    )


def test_a_message_names_at_most_eight_images() -> None:
    assert image_user_text("Hi.", 0) == "Hi."
    assert image_user_text("Hi.", 8).count("<image ") == 8
    with pytest.raises(ConfigurationError, match="9 images"):
        image_user_text("Hi.", 9)


def test_an_empty_instruction_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        action_user_text("  ", 2)
