"""The dataset card: its counts, its header, and pictures that show something."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic_episode as synthetic
import yaml

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.errors import ActionSpecMismatchError, RecordingError
from spatialbot_model.contracts.glimpse import reason_of
from spatialbot_ros.episodes.bag_contents import read_bag
from spatialbot_ros.episodes.card import write_card
from spatialbot_ros.episodes.card_summary import CardSummary, relations_of, summarise


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> EpisodeContents:
    return read_bag(synthetic.write_episode(tmp_path_factory.mktemp("card") / "episode", 6))


def varied(recorded: EpisodeContents) -> Iterator[EpisodeContents]:
    """Six episodes of two families; the arm moves along x in the last three."""
    for k in range(6):
        steps = recorded.steps
        if k >= 3:
            moved = steps.bins.copy()
            moved[:, 0] = 100
            motion = steps.translation_m.copy()
            motion[:, 0] = 0.03
            steps = replace(steps, bins=moved, translation_m=motion)
        metadata = replace(
            recorded.metadata,
            task="pick_place" if k < 4 else "spatialqa_e_size",
            label="failure" if k == 5 else "success",
            instruction="put the taller | cube on the left board" if k else "go",
            seed=k // 2,
        )
        yield replace(recorded, metadata=metadata, steps=steps.select(range(6 - k % 2)))


@pytest.fixture(scope="module")
def summary(recorded: EpisodeContents) -> CardSummary:
    return summarise(varied(recorded))


def test_counts(summary: CardSummary) -> None:
    assert (summary.num_episodes, summary.num_steps, summary.num_seeds) == (6, 33, 3)
    assert summary.labels == {"success": 5, "failure": 1}
    assert summary.families == {
        "pick_place": {"success": 4},
        "spatialqa_e_size": {"success": 1, "failure": 1},
    }
    assert summary.relations == {"tall": 5, "on": 5, "left": 5}
    assert summary.sources == {"policy": 33}
    dx = summary.action_rows()[0]
    # 17 of 33 steps stand still, 16 move by the limit
    np.testing.assert_allclose(dx["mean"], 0.03 * 16 / 33, rtol=1e-6)
    np.testing.assert_allclose(dx["std"], 0.03 * np.sqrt(16 / 33 * 17 / 33), rtol=1e-6)
    assert summary.bins[0, 100] == 16 and summary.bins.sum() == 7 * 33
    np.testing.assert_allclose(summary.intervals_ms, 100.0)


@pytest.mark.parametrize(
    ("instruction", "relations"),
    [
        ("Put the leftmost cup INTO the biggest bowl.", {"left", "in", "large"}),
        ("take the banana", set()),
        ("bring it back", {"behind"}),
    ],
)
def test_relations_are_whole_words(instruction: str, relations: set[str]) -> None:
    assert relations_of(instruction) == relations


def test_card_has_header_tables_and_pictures(summary: CardSummary, tmp_path: Path) -> None:
    files = write_card(summary, tmp_path, title="My set", licence="apache-2.0")
    text = files[0].read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    values = yaml.safe_load(header)
    assert values["license"] == "apache-2.0"
    assert values["task_categories"] == ["robotics"]
    assert values["size_categories"] == ["n<1K"]
    assert "| spatialqa_e_size | 2 | 1 | 1 | 0 |" in body
    assert "6 episodes of 2 task families with 33 steps" in body
    assert ActionSpec().id in body
    assert "Not spoken of: right" in body
    for path in files[1:]:
        assert f"({path.relative_to(tmp_path)})" in body
        image = cv2.imread(str(path))
        assert image.shape[1] == 1200
        # bars, not an empty frame
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50


def test_a_card_is_not_overwritten_unasked(summary: CardSummary, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(RecordingError, match="exists already"):
        write_card(summary, tmp_path, title="x")
    assert (tmp_path / "README.md").read_text() == "mine"
    write_card(summary, tmp_path, title="x", overwrite=True)
    assert "# x" in (tmp_path / "README.md").read_text()


def test_nothing_and_mixtures_are_refused(recorded: EpisodeContents) -> None:
    with pytest.raises(RecordingError, match="no episode"):
        summarise([])
    other = replace(recorded.metadata, action_spec=ActionSpec(rate_hz=5.0).to_mapping())
    with pytest.raises(ActionSpecMismatchError, match="rate_hz"):
        summarise([recorded, replace(recorded, metadata=other)])


def test_glimpses_are_counted_apart(recorded: EpisodeContents, tmp_path: Path) -> None:
    def glimpse(moment: str) -> EpisodeContents:
        metadata = replace(recorded.metadata, label="success", reason=reason_of(moment))
        return replace(recorded, metadata=metadata, steps=recorded.steps.select(range(2)))

    glimpses = [glimpse(moment) for moment in ("carry", "free", "carry")]
    whole = summarise(varied(recorded))
    both = summarise([*glimpses, *varied(recorded)])
    assert (both.num_episodes, both.num_glimpses) == (whole.num_episodes, 3)
    assert both.num_steps == whole.num_steps + 6
    assert (both.lengths, both.labels, both.families) == (
        *(whole.lengths, whole.labels, whole.families),
    )
    assert both.to_mapping()["glimpses"] == {"carry": 2, "free": 1}
    card, *_ = write_card(both, tmp_path / "both", title="Both")
    text = card.read_text()
    assert "6 episodes of 2 task families and 3 glimpses with 39 steps" in text
    assert "has 2 to 2 steps, 2 in the median. Moments: 2 carry, 1 free." in text
    alone, *_ = write_card(summarise(glimpses), tmp_path / "alone", title="Glimpses")
    text = alone.read_text()
    assert "3 glimpses with 6 steps" in text and "an episode has" not in text
