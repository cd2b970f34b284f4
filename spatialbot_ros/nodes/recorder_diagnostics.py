"""The recorder's entry on /diagnostics."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.nodes.conversions import ns_to_stamp


def diagnostics_msg(writer: EpisodeWriter | None, trouble: str, stamp_ns: int) -> DiagnosticArray:
    """One status: what is being written and what was lost.

    Args:
        writer: of the open episode, or None.
        trouble: why the last episode did not begin or end well; empty when it did.
    """
    status = DiagnosticStatus(name="recorder: episode", level=DiagnosticStatus.OK)
    status.message = "waiting for an episode"
    if writer is not None:
        num_lost = sum(writer.drops.values())
        status.message = f"recording {writer.folder.name}"
        if writer.error or num_lost:
            status.level = DiagnosticStatus.ERROR if writer.error else DiagnosticStatus.WARN
            status.message = writer.error or f"{num_lost} messages lost"
        values: dict[str, object] = {
            "folder": writer.folder,
            "messages": writer.num_messages,
            "written [MB]": f"{writer.num_bytes / 1e6:.1f}",
            "waiting for the disk [MB]": f"{writer.queued_bytes / 1e6:.1f}",
            "lost messages": num_lost,
        }
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    elif trouble:
        status.level, status.message = DiagnosticStatus.WARN, trouble
    message = DiagnosticArray(status=[status])
    message.header.stamp = ns_to_stamp(stamp_ns)
    return message
