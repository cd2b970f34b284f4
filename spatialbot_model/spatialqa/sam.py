"""Boxes -> masks with SAM, prompted by each box and its centre point (paper III-D)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.annotated_scene import (
    AnnotatedScene,
    SceneSource,
    SourceRecipe,
)
from spatialbot_model.contracts.errors import CheckpointError

_FOREGROUND = 1


class SamMasks:
    """A SAM that is loaded; made by `open`."""

    def __init__(self, processor: Any, model: Any, device: str) -> None:
        self._processor, self._model, self._device = processor, model, device

    @classmethod
    def open(cls, model: str, device: str = "cpu") -> "SamMasks":
        """Load a SAM from a folder or hub id.

        Raises:
            CheckpointError: it is not there, or no SAM.
        """
        from transformers import SamModel, SamProcessor

        try:
            loaded: Any = SamModel.from_pretrained(model)
            processor = SamProcessor.from_pretrained(model)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load a SAM from {model!r}: {error}") from error
        return cls(processor, loaded.to(device).eval(), device)

    def masks(
        self, rgb: NDArray[np.uint8], boxes_px: Sequence[tuple[int, int, int, int]]
    ) -> NDArray[np.bool_]:
        """(N, H, W) bool, of the three proposals for each box the one that SAM rates best."""
        import torch

        boxes = [[u0, v0, u1 + 1, v1 + 1] for u0, v0, u1, v1 in boxes_px]
        points = [[[(u0 + u1) / 2, (v0 + v1) / 2]] for u0, v0, u1, v1 in boxes]
        inputs = self._processor(
            images=rgb,
            input_boxes=[boxes],
            input_points=[points],
            input_labels=[[[_FOREGROUND]] * len(boxes)],
            return_tensors="pt",
        ).to(self._device)
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        with torch.inference_mode():
            outputs = self._model(**inputs, multimask_output=True)
        proposals = self._processor.post_process_masks(outputs.pred_masks.cpu(), *sizes)[0]
        best = outputs.iou_scores[0].argmax(dim=-1).cpu()
        chosen = proposals[torch.arange(len(boxes)), best]
        return np.asarray(chosen.numpy(), np.bool_)


@dataclass(frozen=True, slots=True)
class SamRecipe:
    """Another source whose boxes get masks; may be pickled.

    Attributes:
        model: folder or hub id.
    """

    source: SourceRecipe
    model: str
    device: str = "cpu"

    def open(self) -> "SamSource":
        """A source for the calling process; loads SAM with the first scene that needs it."""
        return SamSource(self.source.open(), self.model, self.device)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {**self.source.describe(), "masks": f"sam {self.model}"}


class SamSource:
    """See `SamRecipe`."""

    def __init__(self, source: SceneSource, model: str, device: str) -> None:
        self._source, self._model, self._device = source, model, device
        self._sam: SamMasks | None = None

    def __len__(self) -> int:
        return len(self._source)

    def load(self, index: int) -> AnnotatedScene:
        """One scene, its objects with masks."""
        scene = self._source.load(index)
        bare = [k for k, thing in enumerate(scene.objects) if thing.mask is None]
        if not bare:
            return scene
        if self._sam is None:
            self._sam = SamMasks.open(self._model, self._device)
        masks = self._sam.masks(scene.rgb, [scene.objects[k].box_px for k in bare])
        objects = list(scene.objects)
        remarks = list(scene.remarks)
        for k, mask in zip(bare, masks, strict=True):
            kept = _inside(mask, objects[k].box_px)
            if kept.any():
                objects[k] = replace(objects[k], mask=kept)
            else:
                remarks.append("SAM found nothing in a box; its centre stands for the object")
        return replace(scene, objects=tuple(objects), remarks=tuple(remarks))

    def close(self) -> None:
        """Release the inner source."""
        self._source.close()


def _inside(mask: NDArray[np.bool_], box_px: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    u_min, v_min, u_max, v_max = box_px
    kept = np.zeros_like(mask)
    window = slice(v_min, v_max + 1), slice(u_min, u_max + 1)
    kept[window] = mask[window]
    return kept
