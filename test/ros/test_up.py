"""`spatialbot up` and what goes wrong: clear words, exit code, nothing left behind."""

import signal
from pathlib import Path

import pytest
from marked_process import MarkedRun, wait_until
from own_address import own_address

ADDRESS = own_address()
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

pytestmark = pytest.mark.timeout(200)


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    marked = MarkedRun()
    log = tmp_path / "log"
    process = marked.start("up", "pick_place", f"robot_ip:={ADDRESS}", "record:=false", log=log)
    try:
        wait_until(
            lambda: "at home" in log.read_text() or "follows" in log.read_text()
            or "state idle" in log.read_text(),
            START_TIMEOUT_S,
            "the executor",
        )  # fmt: skip
        assert len(marked.alive()) >= 6
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_TIMEOUT_S) == 130
        wait_until(lambda: not marked.alive(), 5.0, "the nodes to end")
        # by themselves, not by force
        assert "rc=-9" not in log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()


def test_a_second_lab_on_the_same_address_is_refused_and_the_first_goes_on(
    tmp_path: Path,
) -> None:
    marked = MarkedRun()
    log = tmp_path / "log"
    arguments = ("up", "pick_place", f"robot_ip:={ADDRESS}", "record:=false")
    process = marked.start(*arguments, log=log)
    try:
        wait_until(lambda: "serving" in log.read_text(), START_TIMEOUT_S, "the simulated lab")
        second = MarkedRun(domain_offset=1)
        done = second.run(*arguments, timeout_s=START_TIMEOUT_S)
        assert done.returncode != 0
        assert f"{ADDRESS}:1337 is taken" in done.stdout
        assert second.alive() == []
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "pick_place", "policy:=oracle"), "choose one of: classical"),
        (("up", "pick_place", "camera:=webcam"), "simulated"),
        (("up", "pick_place", "task:=juggle"), "pick_place"),
        (("up", "pick_place", "robot:=ur5"), "choose one of: franky, memory"),
        (("up", "pick_place", "robot_ip:=not-an-address"), "127.0.0.61"),
        (("up", "pick_place", "robto_ip:=1.2.3.4"), "robot_ip"),
        (("up", "dance"), "pick_place"),
        (("demo", "--policy", "oracle"), "classical"),
    ],
)
def test_what_cannot_be_started_is_said_and_nothing_is_left(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    marked = MarkedRun()
    if arguments[0] == "demo":
        arguments += ("--address", ADDRESS, "--output", str(tmp_path))
    elif arguments[1] == "pick_place" and not any("robot_ip" in a for a in arguments):
        arguments += (f"robot_ip:={ADDRESS}",)
    done = marked.run(*arguments, timeout_s=START_TIMEOUT_S + STOP_TIMEOUT_S)
    assert done.returncode != 0
    assert message in (done.stdout + done.stderr).replace("\n", " ")
    wait_until(lambda: not marked.alive(), 5.0, "all processes to end")
