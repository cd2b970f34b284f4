"""The camera's entry on /diagnostics."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from spatialbot_ros.cameras.frame_statistics import FrameReport
from spatialbot_ros.nodes.conversions import ns_to_stamp
from spatialbot_ros.ports import CameraInfo

_SLOW = 0.8


def diagnostics_msg(
    name: str, report: FrameReport, info: CameraInfo | None, trouble: str, stamp_ns: int
) -> DiagnosticArray:
    """One status: what camera it is and how it delivers.

    Args:
        name: name of the status, e.g. ``camera: frames``.
        info: the connected camera, or None.
        trouble: why there is none, for people.
    """
    status = DiagnosticStatus(name=name, hardware_id=info.serial_no if info else "")
    status.level, status.message = _judge(report, info, trouble)
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
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    message = DiagnosticArray(status=[status])
    message.header.stamp = ns_to_stamp(stamp_ns)
    return message


def _judge(report: FrameReport, info: CameraInfo | None, trouble: str) -> tuple[bytes, str]:
    if info is None:
        return DiagnosticStatus.ERROR, trouble or "looking for the camera"
    if report.num_frames == 0:
        return DiagnosticStatus.WARN, "connected, but no frames come"
    if report.num_frames > 1 and report.rate_hz < _SLOW * info.rate_hz:
        return DiagnosticStatus.WARN, f"slow: {report.rate_hz:.1f} of {info.rate_hz:.1f} Hz"
    return DiagnosticStatus.OK, "streaming"
