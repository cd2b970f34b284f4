"""The general benchmarks in their public layouts, with a question or two of each kind."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np

from spatialbot_model.evaluation.vlm.mme import COGNITION, PERCEPTION


def picture(suffix: str = ".jpg") -> bytes:
    """An encoded small picture."""
    done, data = cv2.imencode(suffix, np.full((6, 8, 3), 120, np.uint8))
    assert done
    return data.tobytes()


def put_image(path: Path, depth: bool = False) -> None:
    """A colour picture, and its depth in the folder beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(path.suffix or ".jpg"))
    if depth:
        beside = path.parent.with_name(path.parent.name + "_d")
        beside.mkdir(exist_ok=True)
        done, data = cv2.imencode(".png", np.full((6, 8), 900, np.uint16))
        assert done
        (beside / f"{path.stem}.png").write_bytes(data.tobytes())


def write_mme(folder: Path) -> Path:
    """Two images of existence, flat with depth; one of each other task, nested."""
    for task in (*PERCEPTION, *COGNITION):
        flat = task == "existence"
        texts = folder / task if flat else folder / task / "questions_answers_YN"
        images = folder / task if flat else folder / task / "images"
        for name in ("0001", "0002") if flat else ("0001",):
            put_image(images / f"{name}.jpg", depth=flat)
            texts.mkdir(parents=True, exist_ok=True)
            (texts / f"{name}.txt").write_text(
                "Is there a cup? Please answer yes or no.\tYes\n"
                "Is there a dog? Please answer yes or no.\tNo\n"
            )
    return folder


def write_pope(folder: Path) -> Path:
    """Four questions of each category."""
    (folder / "coco").mkdir(parents=True)
    put_image(folder / "val2014" / "COCO_val2014_000000000001.jpg")
    for category in ("random", "popular", "adversarial"):
        lines = [
            json.dumps(
                {
                    "question_id": k + 1,
                    "image": "COCO_val2014_000000000001.jpg",
                    "text": f"Is there a thing {k} in the image?",
                    "label": "yes" if k % 2 == 0 else "no",
                }
            )
            for k in range(4)
        ]
        (folder / "coco" / f"coco_pope_{category}.json").write_text("\n".join(lines) + "\n")
    return folder


def write_gqa(folder: Path) -> Path:
    """An open and a binary question, and one that is not balanced."""
    put_image(folder / "images" / "n1.jpg", depth=True)
    put_image(folder / "images" / "n2.jpg")
    questions = {
        "201": ("What is red?", "cup", "n1", "query", True),
        "202": ("Is it red?", "yes", "n2", "verify", True),
        "203": ("Is it blue?", "no", "n2", "verify", False),
    }
    (folder / "testdev_balanced_questions.json").write_text(
        json.dumps(
            {
                key: {
                    "question": text,
                    "answer": answer,
                    "imageId": image,
                    "types": {"structural": kind, "semantic": "rel", "detailed": "relO"},
                    "isBalanced": balanced,
                }
                for key, (text, answer, image, kind, balanced) in questions.items()
            }
        )
    )
    return folder


def write_vqav2(folder: Path, with_answers: bool = True) -> Path:
    """Two questions of val2014, or the same of test-dev2015 without answers."""
    split = "val2014" if with_answers else "test-dev2015"
    images = "val2014" if with_answers else "test2015"
    put_image(folder / images / f"COCO_{images}_000000000042.jpg")
    questions = [
        {"image_id": 42, "question": "How many?", "question_id": 42000},
        {"image_id": 42, "question": "Is it?", "question_id": 42001},
    ]
    (folder / f"v2_OpenEnded_mscoco_{split}_questions.json").write_text(
        json.dumps({"data_subtype": images, "questions": questions})
    )
    if with_answers:
        given = {42000: ["2"] * 2 + ["two"] * 1 + ["3"] * 7, 42001: ["Yes"] * 10}
        annotations = [
            {
                "question_id": key,
                "image_id": 42,
                "question_type": "how many",
                "answer_type": "number" if key == 42000 else "yes/no",
                "multiple_choice_answer": answers[-1],
                "answers": [
                    {"answer": a, "answer_confidence": "yes", "answer_id": k + 1}
                    for k, a in enumerate(answers)
                ],
            }
            for key, answers in given.items()
        ]
        (folder / f"v2_mscoco_{split}_annotations.json").write_text(
            json.dumps({"annotations": annotations})
        )
    return folder


def write_mmbench(folder: Path, turns: bool) -> Path:
    """Two questions, with or without the rotations of the first; the second has two options."""
    data = base64.b64encode(picture()).decode()
    columns = ["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image"]
    columns += ["l2-category", "split"]
    rows = [
        ["7", "Which?", "nan", "red", "green", "blue", "white", "B", "color", data, "x", "dev"],
        ["9", "Cup?", "Look.", "yes it is", "it is not", "", "", "A", "exists", data, "x", "dev"],
    ]
    if turns:
        rows += [
            ["1000007", "Which?", "", "white", "red", "green", "blue", "C", "color", "7", "x", "d"],
            ["1000009", "Cup?", "", "it is not", "yes it is", "", "", "B", "exists", "9", "x", "d"],
        ]
    folder.mkdir(parents=True)
    (folder / "MMBench_DEV_EN_legacy.tsv").write_text(
        "\n".join("\t".join(row) for row in [columns, *rows]) + "\n"
    )
    return folder


def write_seed(folder: Path) -> Path:
    """Two image questions and one about a video, whose frame is there."""
    put_image(folder / "SEED-Bench-image" / "1454426_2591111986")
    put_image(folder / "SEED-Bench-video-image" / "v9.png")
    questions = [
        {
            "answer": answer,
            "choice_a": "one",
            "choice_b": "two",
            "choice_c": "three",
            "choice_d": "four",
            "data_id": data_id,
            "data_type": kind,
            "question": "How many?",
            "question_id": key,
            "question_type_id": number,
            "segment": [],
        }
        for key, kind, data_id, answer, number in (
            ("101", "image", "1454426_2591111986", "A", 1),
            ("102", "image", "1454426_2591111986", "C", 5),
            ("v9", "video", "video.mp4", "D", 10),
        )
    ]
    types = {"Scene Understanding": 1, "Instances Counting": 5, "Action Recognition": 10}
    (folder / "SEED-Bench.json").write_text(
        json.dumps({"questions": questions, "question_type": types})
    )
    return folder
