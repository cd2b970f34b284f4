"""`spatialbot bench strict` needs a venv that tests do not have; it says so."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks.strict import run


def test_without_its_venv_it_says_how_to_make_it():
    with pytest.raises(ConfigurationError, match="make strict"):
        run(python=".no-such-venv/bin/python")


def test_no_streams_are_no_run():
    with pytest.raises(ConfigurationError, match="at least 1"):
        run(streams=0)
