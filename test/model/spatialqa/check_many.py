"""Checks questions by the thousand: `python test/model/spatialqa/check_many.py --items 10000`.

Simulated tables, COCO-style files with depth, RGB-D folders and drawn scenes go through the whole
pipeline; what it wrote is read back, and every item is derived again from the annotations and from
the depth PNG on disk. Exit code 1 when one does not hold.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drawn_scenes import draw_scene
from qa_checker import check

from spatialbot_model.contracts.annotated_scene import SourceRecipe
from spatialbot_model.processing.image_files import read_depth_mm
from spatialbot_model.spatialqa.generate import GenerateOptions, Item
from spatialbot_model.spatialqa.masks import runs_of_mask
from spatialbot_model.spatialqa.part import WorkerRecipe
from spatialbot_model.spatialqa.pipeline import generate
from spatialbot_model.spatialqa.readers.coco import CocoRecipe
from spatialbot_model.spatialqa.readers.rgbd_folder import RgbdFolderRecipe
from spatialbot_model.spatialqa.stored import read_questions

_PER_KIND = 4


class Tally:
    """What was checked."""

    def __init__(self) -> None:
        self.items: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.depths = self.scenes = 0

    def add(self, name: str, recipe: SourceRecipe, folder: Path, seed: int) -> None:
        """Run the pipeline over a source and check what it wrote."""
        generate(WorkerRecipe(recipe, GenerateOptions(seed=seed, per_kind=_PER_KIND), folder))
        source = recipe.open()
        scenes = {}
        for index in range(len(source)):
            scene = source.load(index)
            scenes[scene.id] = scene
        source.close()
        self.scenes += len(scenes)
        depths: dict[str, np.ndarray] = {}
        for stored in read_questions(folder):
            scene_id = stored.record["id"].rsplit("_", 1)[0]
            if scene_id not in depths:
                depths = {scene_id: read_depth_mm(folder / "images/depth" / f"{scene_id}.png")}
            scene = replace(scenes[scene_id], depth_mm=depths[scene_id])
            turns = [(turn["from"], turn["value"]) for turn in stored.record["conversations"]]
            turns[0] = (turns[0][0], turns[0][1].rsplit("<image 2>\n", 1)[-1])
            facts = stored.facts
            item = Item(facts["kind"], facts["level"], facts["mode"], tuple(turns), facts["facts"])
            self.items[name] += 1
            self.kinds[item.kind] += 1
            self.depths += "depth_mm" in item.facts
            try:
                check(scene, item)
            except (AssertionError, KeyError, TypeError, IndexError, ValueError) as error:
                self.wrong.append(f"{stored.record['id']} {item.kind}: {error!r} {item.turns}")


def write_rgbd(folder: Path, seeds: range) -> RgbdFolderRecipe:
    """Drawn scenes as colour and depth files."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    for seed in seeds:
        scene = draw_scene(seed)
        cv2.imwrite(str(folder / f"rgb/{scene.id}.png"), scene.rgb[..., ::-1])
        cv2.imwrite(str(folder / f"depth/{scene.id}.png"), scene.depth_mm)
    return RgbdFolderRecipe(folder)


def write_coco(folder: Path, seeds: range) -> CocoRecipe:
    """Drawn scenes as COCO instances with run-length masks, and depth beside."""
    write_rgbd(folder, seeds)
    categories = {"cup": 1, "box": 2, "ball": 3, "knife": 4}
    images, annotations = [], []
    for seed in seeds:
        scene = draw_scene(seed)
        width_px, height_px = scene.size_px
        images.append(
            {"id": seed, "file_name": f"{scene.id}.png", "width": width_px, "height": height_px}
        )
        for thing in scene.objects:
            if thing.mask is None:
                continue
            u_min, v_min, u_max, v_max = thing.box_px
            annotations.append(
                {
                    "image_id": seed,
                    "category_id": categories[thing.category],
                    "bbox": [u_min, v_min, u_max - u_min + 1, v_max - v_min + 1],
                    "segmentation": runs_of_mask(thing.mask),
                    "iscrowd": 0,
                }
            )
    named = [{"id": number, "name": name} for name, number in categories.items()]
    data = {"categories": named, "images": images, "annotations": annotations}
    (folder / "instances.json").write_text(json.dumps(data))
    return CocoRecipe(folder / "rgb", folder / "instances.json", folder / "depth")


def simulated(first_seed: int, num: int, busy: bool) -> SourceRecipe:
    """Tables of the simulator, crowded or with the arm at work."""
    from spatialbot_ros.configuration import load_action_spec, load_cell
    from spatialbot_sim.qa_source import SimRecipe

    return SimRecipe(
        load_cell(), load_action_spec(), first_seed=first_seed, num=num,
        moving_share=1.0 if busy else 0.0, extra_objects=0 if busy else 5,
    )  # fmt: skip


def sources(folder: Path, with_sim: bool, seed: int) -> Iterator[tuple[str, SourceRecipe]]:
    """Some scenes of each source, again and again with new seeds."""
    round_number = 0
    while True:
        first = 100_000 * seed + 1_000 * round_number
        if with_sim:
            yield "sim", simulated(first, 8, busy=bool(round_number % 2))
        yield "coco", write_coco(folder / f"coco_{round_number}", range(first, first + 12))
        yield "folder", write_rgbd(folder / f"rgbd_{round_number}", range(first + 500, first + 512))
        round_number += 1


def main() -> int:
    """Check, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-sim", action="store_true")
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="check-qa-") as temporary:
        folder = Path(temporary)
        for number, (name, recipe) in enumerate(
            sources(folder, not arguments.no_sim, arguments.seed)
        ):
            tally.add(name, recipe, folder / f"run_{number}", arguments.seed + number)
            shutil.rmtree(folder / f"run_{number}")
            sys.stderr.write(f"{tally.items.total()} items, {len(tally.wrong)} wrong\n")
            if tally.items.total() >= arguments.items:
                break
    result = {
        "items": tally.items.total(),
        "disagreements": len(tally.wrong),
        "by_source": dict(tally.items),
        "by_kind": dict(sorted(tally.kinds.items())),
        "depth_answers": tally.depths,
        "scenes": tally.scenes,
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    sys.stderr.write("\n".join(tally.wrong[:20]) + "\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
