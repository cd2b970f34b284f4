"""POPE (Li et al., arXiv 2305.10355): is there such a thing in the image? F1 of three categories.

Layout: ``coco_pope_random.json``, ``..popular.json``, ``..adversarial.json``, here or in
``coco/``, JSON lines of ``{question_id, image, text, label}``; the images of COCO in
``val2014/`` or beside the files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.path_names import path_below
from spatialbot_model.evaluation.answers_folder import read_json_lines
from spatialbot_model.evaluation.questions import Question, check_keys, images_of
from spatialbot_model.evaluation.vlm.benchmark import SHORT_ANSWER, ReadOptions, prompt

CATEGORIES = ("random", "popular", "adversarial")


class Pope:
    """See the module docstring."""

    name = "pope"
    title = "POPE"
    depth_in_paper = False

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`."""
        questions = []
        images = folder / "val2014" if (folder / "val2014").is_dir() else folder
        for category in CATEGORIES:
            name = f"coco_pope_{category}.json"
            path = folder / name if (folder / name).is_file() else folder / "coco" / name
            for record in read_json_lines(path):
                if record.get("label") not in ("yes", "no"):
                    raise ConfigurationError(f"{path}: a label is {record.get('label')!r}")
                questions.append(
                    Question(
                        key=f"{category}/{record['question_id']}",
                        text=prompt(record["text"], SHORT_ANSWER),
                        images=images_of(
                            path_below(images, str(record["image"]), "an image"), options.depth
                        ),
                        expected=record["label"],
                        tags={"category": category},
                    )
                )
        return check_keys(questions, folder)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: the mean of the three F1 scores."""
        categories = {}
        for category in CATEGORIES:
            asked = [q for q in questions if q.tags["category"] == category]
            categories[category] = binary_figures(
                [q.expected == "yes" for q in asked],
                [parse_presence(answers[q.key]) for q in asked],
            )
        mean = sum(figures["f1"] for figures in categories.values()) / len(CATEGORIES)
        return {"headline": {"pope": 100.0 * mean}, "categories": categories}

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`."""
        return None


def parse_presence(text: str) -> bool:
    """Whether an answer says yes, as the official script decides: yes unless it denies.

    Only the first sentence counts, commas are dropped, and the words No, no and not deny.
    """
    words = text.split(".")[0].replace(",", "").split(" ")
    return not {"No", "no", "not"} & set(words)


def binary_figures(expected: Sequence[bool], said: Sequence[bool]) -> dict[str, float]:
    """Accuracy, precision, recall, F1 and share of yes, each 0..1; 0 where undefined."""
    pairs = list(zip(expected, said, strict=True))
    hits = sum(e and s for e, s in pairs)
    right = sum(e == s for e, s in pairs)
    precision = hits / sum(said) if any(said) else 0.0
    recall = hits / sum(expected) if any(expected) else 0.0
    total = precision + recall
    return {
        "accuracy": right / len(pairs) if pairs else 0.0,
        "precision": precision,
        "recall": recall,
        "f1": 2.0 * precision * recall / total if total else 0.0,
        "yes_ratio": sum(said) / len(pairs) if pairs else 0.0,
        "n": len(pairs),
    }
