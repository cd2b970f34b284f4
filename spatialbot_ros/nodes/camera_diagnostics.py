"""The camera's entries on /diagnostics: how it delivers, and what was wrong with its stream."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus

from spatialbot_ros.camera_faults import CameraFault
from spatialbot_ros.cameras.frame_statistics import FrameReport
from spatialbot_ros.nodes.diagnostics import status_msg
from spatialbot_ros.ports import CameraInfo

_SLOW = 0.8


def frames_status(
    name: str, report: FrameReport, info: CameraInfo | None, trouble: str
) -> DiagnosticStatus:
    """What camera it is and how it delivers.

    Args:
        name: name of the status, e.g. ``camera: frames``.
        info: the connected camera, or None.
        trouble: why there is none, for people.
    """
    level, message = _judge(report, info, trouble)
    values: dict[str, object] = {}
    if info is not None:
        values |= {
            "camera": info.name,
            "serial number": info.serial_no,
            "firmware": info.firmware,
            "colour": f"{info.color.width}x{info.color.height}",
            "depth": f"{info.depth.width}x{info.depth.height}",
            "expected rate [Hz]": f"{info.rate_hz:.2f}",
        }
    values |= {
        "rate [Hz]": f"{report.rate_hz:.2f}",
        "frames": report.num_frames,
        "lost frames": report.num_lost,
        "longest processing [ms]": f"{report.max_processing_ms:.1f}",
        "greatest age [ms]": f"{report.max_age_ms:.1f}",
    }
    return status_msg(name, level, message, values, info.serial_no if info else "")


def faults_status(
    name: str,
    current: CameraFault | None,
    counts: Mapping[str, int],
    num_withheld: int,
    hardware_id: str = "",
) -> DiagnosticStatus:
    """The fault that lasts, and how often each has begun since the node's start.

    Args:
        name: name of the status, e.g. ``camera: faults``.
        num_withheld: framesets that nobody was shown.
    """
    level, message = DiagnosticStatus.OK, "the stream is good"
    if current is not None:
        level, message = DiagnosticStatus.ERROR, f"{current.name}: {current.detail}"
    values: dict[str, object] = {"framesets withheld": num_withheld, "faults": sum(counts.values())}
    values |= {fault: count for fault, count in counts.items() if count}
    return status_msg(name, level, message, values, hardware_id)


def _judge(report: FrameReport, info: CameraInfo | None, trouble: str) -> tuple[bytes, str]:
    if info is None:
        return DiagnosticStatus.ERROR, trouble or "looking for the camera"
    if report.num_frames == 0:
        return DiagnosticStatus.WARN, "connected, but no frames come"
    if report.num_frames > 1 and report.rate_hz < _SLOW * info.rate_hz:
        return DiagnosticStatus.WARN, f"slow: {report.rate_hz:.1f} of {info.rate_hz:.1f} Hz"
    return DiagnosticStatus.OK, "streaming"
