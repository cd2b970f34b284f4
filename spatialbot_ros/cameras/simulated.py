"""The simulated lab's camera: its raw frames through a librealsense software device."""

from spatialbot_model.contracts.errors import CameraError, HalfFramesetError
from spatialbot_model.contracts.frame_link import FRAME_PORT, SensorDescription
from spatialbot_model.contracts.transforms import compose
from spatialbot_ros.cameras.frame_link_client import FrameLinkClient
from spatialbot_ros.cameras.processing import FrameProcessing, filtered_intrinsics
from spatialbot_ros.cameras.settings import CameraSettings
from spatialbot_ros.cameras.software_device import SoftwareDevice
from spatialbot_ros.ports import CameraFrameset, CameraInfo

_IDENTITY_ROTATION = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class SimulatedCamera:
    """Camera port over the frame link.

    Every frame sent is delivered, in order, with exactly the simulator's stamp and frame
    number. A frame is acknowledged once the syncer has paired it, so that a simulation
    that waits for acknowledgements never outruns the camera.
    """

    def __init__(self, settings: CameraSettings, port: int = FRAME_PORT) -> None:
        self._settings = settings
        self._client = FrameLinkClient(settings.address, port)
        self._description: SensorDescription | None = None
        self._device: SoftwareDevice | None = None
        self._processing: FrameProcessing | None = None

    def connect(self) -> CameraInfo:
        """Connect to the simulator; see `ports.Camera.connect`."""
        self.close()
        description = self._client.connect()
        self._description = description
        return CameraInfo(
            name=description.name,
            serial_no=description.serial_no,
            firmware="simulated",
            color=description.color,
            depth=filtered_intrinsics(description.depth, self._settings.filters),
            T_color_depth=compose(_IDENTITY_ROTATION, description.depth_to_color_translation_m),
            rate_hz=description.rate_hz,
        )

    def read(self, timeout_s: float, *, align: bool = True) -> CameraFrameset:
        """The next frame of the simulation; see `ports.Camera.read`."""
        if self._description is None:
            raise CameraError("the simulated camera is not connected; call connect() first")
        raw = self._client.receive(self._description, timeout_s)
        if raw.is_half:
            # not shown to the syncer, which would wait for the partner
            self._client.acknowledge(raw.frame_number)
            missing = "colour" if raw.color.size == 0 else "depth"
            raise HalfFramesetError(f"frame {raw.frame_number} came without {missing}")
        if self._device is None or self._processing is None:
            self._device, self._processing = self._start_device(self._description)
            # librealsense hands out single images until it has seen both streams once
            self._device.push(raw.color, raw.depth_mm)
            while self._processing.poll() is not None:
                continue
        device_frame_number = self._device.push(raw.color, raw.depth_mm)
        frames = self._processing.poll()
        if frames is None:
            raise CameraError(
                f"librealsense did not pair colour and depth of frame {raw.frame_number}"
            )
        self._client.acknowledge(raw.frame_number)
        processed = self._processing.process(frames, align=align)
        if processed.device_frame_number != device_frame_number:
            raise CameraError(
                f"librealsense delivered image {processed.device_frame_number} where"
                f" {device_frame_number} was expected"
            )
        return CameraFrameset(
            stamp_ns=raw.stamp_ns,
            frame_number=raw.frame_number,
            color=processed.color,
            depth_mm=processed.depth_mm,
            aligned_depth_mm=processed.aligned_depth_mm,
        )

    def close(self) -> None:
        """Disconnect; see `ports.Camera.close`."""
        self._client.close()
        if self._device is not None:
            self._device.stop()
        self._device = self._processing = self._description = None

    def _start_device(
        self, description: SensorDescription
    ) -> tuple[SoftwareDevice, FrameProcessing]:
        device = SoftwareDevice(description)
        processing = FrameProcessing(self._settings.filters)
        device.start(processing.syncer)
        return device, processing
