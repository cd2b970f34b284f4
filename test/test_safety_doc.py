"""docs/safety.md names every event there is, and only tests there are."""

import ast
import re
from pathlib import Path

import pytest

from spatialbot_ros import camera_faults, policy_watch

ROOT = Path(__file__).resolve().parents[1]
DOC = (ROOT / "docs/safety.md").read_text(encoding="utf-8")
TESTS = sorted((ROOT / "test").rglob("test_*.py"))


def table_rows() -> list[list[str]]:
    lines = [line for line in DOC.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(column: int) -> set[str]:
    return {
        name
        for row in table_rows()
        if len(row) == 5
        for name in re.findall(r"`(\w+)`", row[column])
    }


def event_names() -> set[str]:
    """First arguments of everything that makes a record, in the executor's own files."""
    found: set[str] = set()
    for path in (ROOT / "spatialbot_ros").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_record = isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                *("SafetyRecord", "_refused", "_clamped"),
            )
            if is_record and node.args and isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_every_event_has_a_row() -> None:
    told = names_in(1)
    expected = {*policy_watch.FAULT_NAMES, *camera_faults.FAULT_NAMES, *event_names()}
    # the beginning and the end of an intervention are no hazard
    assert expected - told == {"intervention_begin", "intervention_end"}


def test_every_hazard_has_cause_detection_and_reaction() -> None:
    rows = [row for row in table_rows() if row[0] != "cause"]
    assert len(rows) > 40
    assert not [row for row in rows if len(row) not in (4, 5)]
    assert not [row for row in rows if not all(cell for k, cell in enumerate(row) if k != 1)]


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`(test_\w+\.py(?:::\w+)?)`", DOC))))
def test_every_test_that_is_named_is_there(reference: str) -> None:
    file, _, name = reference.partition("::")
    found = [path.read_text(encoding="utf-8") for path in TESTS if path.name == file]
    assert found
    functions = {
        n.name for text in found for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)
    }
    assert not name or name in functions


def test_every_hazard_names_a_test() -> None:
    rows = [row for row in table_rows() if row[0] != "cause"]
    assert not [row[0] for row in rows if not re.search(r"`test_\w+\.py::test_\w+`", row[-1])]


def test_the_checklist_names_what_the_launch_asks_for() -> None:
    assert "i_have_read_the_safety_notes:=true" in DOC
    assert "20 %" in DOC
