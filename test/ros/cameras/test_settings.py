"""Stream profiles are read as realsense-ros writes them."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.cameras.settings import StreamProfile


@pytest.mark.parametrize("text", ["640x480x30", "640,480,30", " 640 x 480 x 30 "])
def test_profile_is_read(text: str) -> None:
    assert StreamProfile.parse(text) == StreamProfile(640, 480, 30)


@pytest.mark.parametrize("text", ["", "640x480", "640x480x0", "640x480x-5", "axbxc", "1x2x3x4"])
def test_unusable_profile_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="640x480x30"):
        StreamProfile.parse(text)


def test_profile_is_written_as_it_is_read() -> None:
    assert str(StreamProfile.parse("848x480x15")) == "848x480x15"
