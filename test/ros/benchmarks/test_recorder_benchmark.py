"""The recorder's benchmark: counts what it should, and refuses what makes no sense."""

from pathlib import Path

import pytest

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_ros.benchmarks import recorder


def test_a_short_run_gives_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recorder, "_BURST_BYTES", 20_000_000)
    monkeypatch.setattr(recorder, "_ROUNDS", 2)
    result = recorder.run(seconds=0.5, dds_seconds=0.0, color="jpeg", depth="png")
    assert result.figures["paced_messages"] + result.figures["paced_dropped"] == 60
    assert result.figures["sustained_plain_file_mb_s"] > 0
    assert result.ratio > 0
    assert list((tmp_path / "out").iterdir()) == []


def test_unusable_options_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"at least 0\.1"):
        recorder.run(seconds=-1.0)
    with pytest.raises(RecordingError, match="choose one of"):
        recorder.run(color="gif")
