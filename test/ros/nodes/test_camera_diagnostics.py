"""What /diagnostics says in each situation."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from frame_server_double import COLOR, DEPTH

from spatialbot_ros.camera_faults import CAMERA_FROZEN, CAMERA_LOST, CameraFault
from spatialbot_ros.cameras.frame_statistics import FrameReport
from spatialbot_ros.nodes.camera_diagnostics import faults_status, frames_status
from spatialbot_ros.nodes.diagnostics import diagnostics_msg
from spatialbot_ros.ports import CameraInfo

INFO = CameraInfo("double", "77", "5.16", COLOR, DEPTH, None, 15.0)


@pytest.mark.parametrize(
    ("info", "num_frames", "rate_hz", "level", "words"),
    [
        (INFO, 15, 15.0, DiagnosticStatus.OK, "streaming"),
        (INFO, 8, 7.5, DiagnosticStatus.WARN, "slow: 7.5 of 15.0 Hz"),
        (INFO, 0, 0.0, DiagnosticStatus.WARN, "no frames"),
        (None, 0, 0.0, DiagnosticStatus.ERROR, "no camera at 10.0.0.1"),
    ],
)
def test_level_and_text(info, num_frames, rate_hz, level, words) -> None:
    report = FrameReport(rate_hz, num_frames, 3, 4.25, 12.0)
    status = frames_status("camera: frames", report, info, "no camera at 10.0.0.1")
    message = diagnostics_msg(status, stamp_ns=5)
    (status,) = message.status
    assert status.level == level
    assert words in status.message
    values = {pair.key: pair.value for pair in status.values}
    assert values["lost frames"] == "3"
    assert values["longest processing [ms]"] == "4.2"
    assert values.get("serial number") == (status.hardware_id or None)
    assert message.header.stamp.nanosec == 5


def test_a_fault_that_lasts_is_an_error_and_those_before_are_counted() -> None:
    counts = {CAMERA_FROZEN: 2, CAMERA_LOST: 0}
    good = faults_status("camera: faults", None, counts, 7)
    assert (good.level, good.message) == (DiagnosticStatus.OK, "the stream is good")
    assert {pair.key: pair.value for pair in good.values} == {
        "framesets withheld": "7", "faults": "2", CAMERA_FROZEN: "2",
    }  # fmt: skip
    bad = faults_status("camera: faults", CameraFault(CAMERA_LOST, "unplugged"), counts, 7, "77")
    assert (bad.level, bad.hardware_id) == (DiagnosticStatus.ERROR, "77")
    assert bad.message == "camera_lost: unplugged"
