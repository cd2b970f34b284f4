"""Shipped files are found in every kind of installation."""

import sys
from pathlib import Path

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource, share_directories


def test_the_checkout_holds_the_configuration() -> None:
    path = find_resource("config/cell.yaml")
    assert path.is_absolute()
    assert "workspace" in path.read_text(encoding="utf-8")


def test_ament_prefixes_come_before_the_python_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{first}::{second}")
    shares = [prefix / "share" / "spatialbot_ros" for prefix in (first, second, Path(sys.prefix))]
    assert list(share_directories()[1:]) == shares
    for share in shares[:2]:
        (share / "config").mkdir(parents=True)
        (share / "config" / "only_installed.yaml").write_text("a: 1", encoding="utf-8")
    assert find_resource("config/only_installed.yaml").is_relative_to(first)
    assert find_resource("config").is_dir()


def test_a_missing_file_names_the_places_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"config/none\.yaml was not found") as caught:
        find_resource("config/none.yaml")
    assert str(tmp_path / "share" / "spatialbot_ros") in str(caught.value)
    assert sys.prefix in str(caught.value)
