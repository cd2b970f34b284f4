"""The fuzzer's targets take what is well-formed, and `bench fuzz` goes on, counts and finds."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.benchmarks import run_benchmark
from spatialbot_ros.benchmarks.fuzz import find_defects
from spatialbot_ros.benchmarks.fuzzing.targets import ACCEPTED, FUZZ_TARGETS, fuzz_entry


@pytest.fixture(scope="module", params=FUZZ_TARGETS)
def target(request, tmp_path_factory):
    return fuzz_entry(request.param).make(tmp_path_factory.mktemp(request.param))


def test_seeds_are_accepted_or_refused_in_turn(target):
    outcomes = [target.check(seed) for seed in target.seeds()]
    assert ACCEPTED in outcomes
    assert [target.check(seed) for seed in target.seeds()] == outcomes
    assert target.check(b"") != ""


@settings(max_examples=150)
@given(data=st.data())
def test_cut_joined_and_altered_seeds_end_in_an_outcome(target, data):
    parts = data.draw(st.lists(st.sampled_from([*target.seeds(), *target.words()]), max_size=3))
    text = bytearray(b"".join(parts))
    for at in data.draw(st.lists(st.integers(0, max(len(text) - 1, 0)), max_size=4)):
        text[at : at + 1] = data.draw(st.binary(max_size=3))
    assert isinstance(target.check(bytes(text)), str)


def test_a_run_counts_and_goes_on_where_it_was(tmp_path):
    options = {"targets": "depth_tool", "output": str(tmp_path)}
    first = run_benchmark("fuzz", inputs=2000, **options)
    again = run_benchmark("fuzz", inputs=2000, **options)
    more = run_benchmark("fuzz", inputs=3000, **options)
    assert first.figures == again.figures
    assert (first.n, more.n) == (2000, 3000)
    assert first.ratio == more.ratio == 1.0
    assert more.figures["depth_tool_accepted"] + more.figures["depth_tool_refused"] == 3000
    # guided by branches it finds more than the seeds
    assert more.figures["depth_tool_corpus"] > 3
    with pytest.raises(ConfigurationError, match="another seed"):
        run_benchmark("fuzz", inputs=4000, seed=7, **options)


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="depth_tool"):
        run_benchmark("fuzz", targets="tarot", output=str(tmp_path))
    with pytest.raises(ConfigurationError, match="0 inputs"):
        run_benchmark("fuzz", inputs=0, output=str(tmp_path))


def test_a_defect_is_found_kept_and_told_again(tmp_path):
    # a reader with a defect, put in the place of the one that ships
    script = """
        import sys
        from spatialbot_model.contracts import depth_tool
        from spatialbot_ros.benchmarks.fuzzing import answers, process
        def wrong(text):
            if "1.0000001" in text:
                raise KeyError("a defect")
            return ()
        answers.parse_depth_calls = wrong
        process.main(["depth_tool", sys.argv[1], "100000", "1"])
    """
    folder = tmp_path / "depth_tool"
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "KeyError: 'a defect'" in done.stdout + done.stderr
    (defect,) = find_defects(folder)
    assert b"1.0000001" in defect.read_bytes()
    assert not (folder / "account.json").exists()
    result = run_benchmark("fuzz", targets="depth_tool", output=str(tmp_path))
    assert result.ratio == 0.0
    assert result.figures["depth_tool_defects"] == 1


def test_a_fuzzer_that_cannot_run_is_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr("spatialbot_ros.benchmarks.fuzz._PROCESS", "json.tool")
    with pytest.raises(ConfigurationError, match="ended with code"):
        run_benchmark("fuzz", inputs=10, targets="action", output=str(tmp_path))
    assert not Path(tmp_path / "action" / "pieces.jsonl").exists()


def test_pieces_are_lines_of_json(tmp_path):
    run_benchmark("fuzz", inputs=300, targets="action", output=str(tmp_path))
    (line,) = (tmp_path / "action" / "pieces.jsonl").read_text().splitlines()
    piece = json.loads(line)
    assert sum(piece["outcomes"].values()) == 300
    assert piece["seed"] == 1
