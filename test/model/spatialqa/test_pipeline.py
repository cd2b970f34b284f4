"""Runs: files as the release has them, the same however they come about."""

import json
import os
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_scenes import DrawnRecipe, draw_scene

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError, UnknownNameError
from spatialbot_model.spatialqa import part as part_module
from spatialbot_model.spatialqa.contact_sheet import draw_sheet
from spatialbot_model.spatialqa.engines import run_parts
from spatialbot_model.spatialqa.generate import GenerateOptions
from spatialbot_model.spatialqa.part import WorkerRecipe
from spatialbot_model.spatialqa.pipeline import FACTS_NAME, QUESTIONS_NAME, REPORT_NAME, generate
from spatialbot_model.spatialqa.stored import read_questions, sample_questions
from spatialbot_model.training.question_file import QuestionFile

NUM = 20
FILES = (QUESTIONS_NAME, FACTS_NAME, REPORT_NAME)


def recipe(folder: Path, num: int = NUM, seed: int = 0) -> WorkerRecipe:
    return WorkerRecipe(DrawnRecipe(num), GenerateOptions(seed=seed), folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    generate(recipe(folder))
    return folder


def test_trainers_read_it(finished: Path) -> None:
    questions = QuestionFile(finished / QUESTIONS_NAME)
    facts = (finished / FACTS_NAME).read_text().splitlines()
    assert len(questions) == len(facts) > 300
    rng = np.random.default_rng(0)
    for index in range(0, len(questions), 40):
        example = questions.example(index, rng)
        assert [image.role for image in example.images] == ["rgb", "depth"]
        assert example.conversation.messages[0].role == "user"
    tools = [k for k, line in enumerate(facts) if json.loads(line)["mode"] == "tool"]
    roles = [m.role for m in questions.example(tools[0], rng).conversation.messages]
    assert roles == ["user", "assistant", "tool", "assistant"]


def test_records_are_the_release_s(finished: Path) -> None:
    for record in json.loads((finished / QUESTIONS_NAME).read_text()):
        assert set(record) == {"id", "image", "conversations"}
        assert record["conversations"][0]["value"].startswith("<image 1>\n<image 2>\n")


def test_images_are_the_scene_s(finished: Path) -> None:
    scene = draw_scene(1)
    rgb = cv2.imread(str(finished / "images/rgb/drawn_000001.png"))[..., ::-1]
    depth = cv2.imread(str(finished / "images/depth/drawn_000001.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(rgb, scene.rgb)
    np.testing.assert_array_equal(depth, scene.depth_mm)
    assert depth.dtype == np.uint16


def test_report_tells_what_was_left_out(finished: Path) -> None:
    report = json.loads((finished / REPORT_NAME).read_text())
    skipped = {entry["reason"]: entry["count"] for entry in report["skipped"]}
    assert skipped["the same picture twice"] == 1
    assert sum(skipped.values()) == 4
    assert any("damaged" in reason for reason in skipped)
    assert report["scenes"] == NUM - 4
    assert report["questions"] == sum(report["kinds"].values()) == sum(report["modes"].values())
    assert sum(report["remarks"].values()) >= 2


def test_two_workers_write_the_same(finished: Path, tmp_path: Path) -> None:
    generate(recipe(tmp_path), num_workers=2)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_stopped_anywhere_it_goes_on(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = part_module.write_whole
    chance = random.Random(4)
    stops = 0

    def stop_sometimes(folder: Path, path: Path, data: bytes) -> None:
        if chance.random() < 0.12:
            # as a kill in the middle of a write leaves it
            (folder / "parts").mkdir(parents=True, exist_ok=True)
            (folder / "parts" / f".{path.name}.tmp").write_bytes(data[: len(data) // 2])
            raise KeyboardInterrupt
        whole(folder, path, data)

    monkeypatch.setattr(part_module, "write_whole", stop_sometimes)
    for _ in range(400):
        try:
            generate(recipe(tmp_path))
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 2
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert not (tmp_path / "parts").exists()


def test_a_finished_run_is_left_alone(finished: Path) -> None:
    before = (finished / QUESTIONS_NAME).stat().st_mtime_ns
    generate(recipe(finished))
    assert (finished / QUESTIONS_NAME).stat().st_mtime_ns == before


def test_another_run_is_refused(finished: Path) -> None:
    with pytest.raises(ConfigurationError, match="options"):
        generate(recipe(finished, seed=1))
    with pytest.raises(ConfigurationError, match="another run"):
        generate(recipe(finished, num=NUM + 1))


def test_nothing_to_ask_is_an_empty_list(tmp_path: Path) -> None:
    # the only scene is one that cannot be loaded
    class Broken(DrawnRecipe):
        def open(self):  # type: ignore[no-untyped-def]
            source = super().open()
            source.load = lambda index: (_ for _ in ()).throw(ConfigurationError("broken"))  # type: ignore[method-assign]
            return source

    report = generate(WorkerRecipe(Broken(1), GenerateOptions(), tmp_path))
    assert report["questions"] == 0
    assert json.loads((tmp_path / QUESTIONS_NAME).read_text()) == []
    assert draw_sheet(tmp_path) is None


def test_questions_are_read_back(finished: Path, tmp_path: Path) -> None:
    stored = list(read_questions(finished))
    assert [q.record for q in stored] == json.loads((finished / QUESTIONS_NAME).read_text())
    chosen = sample_questions(finished, 3, kind="counting")
    assert len(chosen) == 3 and {q.facts["kind"] for q in chosen} == {"counting"}
    with pytest.raises(UnknownNameError, match="counting"):
        sample_questions(finished, 3, kind="countin")
    with pytest.raises(RecordingError, match="finished folder"):
        list(read_questions(tmp_path))


def test_the_sheet_shows_every_kind(finished: Path) -> None:
    path = draw_sheet(finished)
    assert path is not None
    sheet = cv2.imread(str(path))
    kinds = {q.facts["kind"] for q in read_questions(finished)}
    assert sheet.shape[0] % -(-len(kinds) // 3) == 0
    assert sheet.std() > 20


def test_engines_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="local, ray"):
        run_parts(recipe(tmp_path), [0], engine="spark")
    with pytest.raises(ConfigurationError):
        run_parts(recipe(tmp_path), [0], num_workers=0)


def test_ray_gives_the_same(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    # processes of a cluster do not have this process's import path
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    generate(recipe(tmp_path), num_workers=2, engine="ray")
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
