"""`spatialbot evaluate ros`: one short trial through the whole suite."""

import json
from pathlib import Path

import pytest
from marked_process import MarkedRun
from own_address import own_address

pytestmark = pytest.mark.timeout(300)


def test_a_trial_through_the_whole_suite(tmp_path: Path) -> None:
    marked = MarkedRun()
    done = marked.run(
        "evaluate", "ros", "--policy", "classical", "--families", "pick_place", "--episodes", "1",
        "--max-steps", "12", "--address", own_address(), "--out", str(tmp_path), "--json",
        timeout_s=250.0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert marked.alive() == []
    total = json.loads(done.stdout)["all"]
    assert (total["n"], total["faults"]) == (1, 0)
    assert total["endings"] == {"time-out": 1}
    assert 9.0 < total["action_rate_hz"] < 10.5
    assert total["path_m"] > 0.05
    (line,) = (tmp_path / "trials.jsonl").read_text().splitlines()
    trial = json.loads(line)
    assert trial["reason"].endswith("is still on the table")
    # an answer that a busy machine makes late is dropped, and is no step
    assert trial["steps"] + trial["num_unanswered"] == 12 and trial["steps"] >= 6
