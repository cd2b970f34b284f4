"""What the pipeline wrote is derived again from annotations and from the depth PNGs on disk."""

import json
from pathlib import Path

from check_many import Tally, write_coco, write_rgbd
from qa_checker import CHECKS

from spatialbot_model.spatialqa.pipeline import QUESTIONS_NAME, generate


def test_items_of_files_hold(tmp_path: Path) -> None:
    tally = Tally()
    tally.add("coco", write_coco(tmp_path / "coco", range(16)), tmp_path / "coco_qa", 1)
    tally.add("folder", write_rgbd(tmp_path / "rgbd", range(40, 52)), tmp_path / "rgbd_qa", 2)
    assert not tally.wrong, tally.wrong[:3]
    assert tally.items["coco"] > 400 and tally.items["folder"] > 150
    assert tally.depths > 100
    # what only a simulator or a better annotated source knows
    unknown = {"touching", "reached", "wider", "taller", "distance"}
    assert set(tally.kinds) == set(CHECKS) - unknown


def test_a_wrong_depth_on_disk_is_found(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import check_many

    def generate_wrongly(recipe):  # type: ignore[no-untyped-def]
        report = generate(recipe)
        path = recipe.folder / QUESTIONS_NAME
        records = json.loads(path.read_text())
        for record in records:
            last = record["conversations"][-1]
            last["value"] = last["value"].replace("1", "2")
        lines = ",\n".join(json.dumps(record) for record in records)
        path.write_text(f"[\n{lines}\n]\n")
        return report

    monkeypatch.setattr(check_many, "generate", generate_wrongly)
    tally = Tally()
    tally.add("folder", write_rgbd(tmp_path / "rgbd", range(4)), tmp_path / "qa", 0)
    assert len(tally.wrong) > 10
