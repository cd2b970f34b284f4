"""VQA v2 (Goyal et al., CVPR 2017): soft accuracy against ten people.

Layout: ``v2_OpenEnded_mscoco_<split>_questions.json`` and, where answers are public,
``v2_mscoco_<split>_annotations.json``; images ``<images>/COCO_<images>_<id of 12 digits>.jpg``
with ``test2015`` for ``test-dev2015``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import Question, check_keys, images_of
from spatialbot_model.evaluation.vlm.benchmark import SHORT_ANSWER, ReadOptions, prompt
from spatialbot_model.evaluation.vlm.vqa_answers import normalise, soft_accuracy

SPLITS = ("val2014", "test-dev2015", "test2015", "train2014")


class VqaV2:
    """See the module docstring."""

    name = "vqav2"
    title = "VQA v2"
    depth_in_paper = False

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`; `split` is one of `SPLITS`, by default the first that is there."""
        splits = (options.split,) if options.split else SPLITS
        paths = [folder / f"v2_OpenEnded_mscoco_{split}_questions.json" for split in splits]
        found = [(s, p) for s, p in zip(splits, paths, strict=True) if p.is_file()]
        if not found:
            raise ConfigurationError(f"{folder} holds none of {', '.join(p.name for p in paths)}")
        split, path = found[0]
        truths = _truths(folder / f"v2_mscoco_{split}_annotations.json")
        images = "test2015" if split.startswith("test") else split
        records = read_json(path)
        if not isinstance(records, dict) or not isinstance(records.get("questions"), list):
            raise ConfigurationError(f"{path} has no list of questions")
        questions = []
        for record in records["questions"]:
            image = folder / images / f"COCO_{images}_{int(record['image_id']):012d}.jpg"
            key = str(record["question_id"])
            if truths and key not in truths:
                raise ConfigurationError(f"{path}: question {key} has no annotation")
            annotation = truths.get(key, {})
            questions.append(
                Question(
                    key=key,
                    text=prompt(record["question"], SHORT_ANSWER),
                    images=images_of(image, options.depth),
                    expected=annotation.get("answers"),
                    tags={"type": annotation.get("type", ""), "split": split},
                )
            )
        return check_keys(questions, path)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: percent to two digits, all and by type of answer."""
        scored = [q for q in questions if q.expected]
        soft = {q.key: soft_accuracy(answers[q.key], q.expected) for q in scored}

        def mean(of: Sequence[Question]) -> float:
            return round(100.0 * sum(soft[q.key] for q in of) / len(of), 2)

        kinds = sorted({q.tags["type"] for q in scored})
        return {
            "headline": {"vqav2": mean(scored)} if scored else {},
            "n": len(scored),
            "answer_types": {k: mean([q for q in scored if q.tags["type"] == k]) for k in kinds},
        }

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`: the answers normalised, as the server compares exactly."""
        return [
            {
                "question_id": int(q.key),
                "answer": normalise(answers[q.key].strip()),
            }
            for q in questions
        ]


def _truths(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    loaded = read_json(path)
    if not isinstance(loaded, dict) or not isinstance(loaded.get("annotations"), list):
        raise ConfigurationError(f"{path} has no list of annotations")
    return {
        str(record["question_id"]): {
            "answers": [str(answer["answer"]) for answer in record["answers"]],
            "type": record.get("answer_type", ""),
        }
        for record in loaded["annotations"]
    }
