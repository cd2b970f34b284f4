"""A miniature SpatialBench in the released layout."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

RECORDS: dict[str, list[dict[str, Any]]] = {
    "positional": [{"image": "positional/a.b.jpg", "question": "Where?", "answer": "left"}],
    "existence": [
        {"image": "existence/x.jpg", "question": "A cup?", "answer": "Yes", "id": "e_sa_1_pos"},
        {"image": "existence/x.jpg", "question": "A dog?", "answer": "No", "id": "e_sa_1_neg"},
    ],
    "counting": [{"image": ["counting/c.jpg"], "question": "How many?", "answer": 4}],
    "depth": [{"image": "depth/d.jpg", "question": "How far?", "answer": "700", "id": "d"}],
    "grounding": [{"image": "grounding/g.jpg", "objects": [], "id": "grounding_1"}],
}


def write_image(path: Path, role: str = "rgb") -> None:
    """A small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (
        np.full((8, 10, 3), 90, np.uint8) if role == "rgb" else np.full((8, 10), 700, np.uint16)
    )
    done, data = cv2.imencode(path.suffix, pixels)
    assert done
    path.write_bytes(data.tobytes())


def write_spatialbench(folder: Path) -> Path:
    """Question files, images and depth images."""
    for category, records in RECORDS.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{category}.json").write_text(json.dumps(records))
        for record in records:
            images = record["image"] if isinstance(record["image"], list) else [record["image"]]
            for name in images:
                write_image(folder / name)
                stem = name.split("/")[-1].split(".")[0]
                write_image(folder / f"{category}_d" / f"{stem}.png", "depth")
    return folder
