"""Building messages for /diagnostics. A status is named ``NODE: WHAT``."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from spatialbot_ros.nodes.conversions import ns_to_stamp


def status_msg(
    name: str,
    level: bytes,
    message: str,
    values: Mapping[str, object],
    hardware_id: str = "",
) -> DiagnosticStatus:
    """One status; the values keep their order and are told as text."""
    return DiagnosticStatus(
        name=name,
        level=level,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def diagnostics_msg(*statuses: DiagnosticStatus, stamp_ns: int) -> DiagnosticArray:
    """What goes onto /diagnostics."""
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = ns_to_stamp(stamp_ns)
    return message
