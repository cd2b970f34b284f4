"""GQA (Hudson and Manning, arXiv 1902.09506): exact match on the balanced test-dev questions.

Layout: ``testdev_balanced_questions.json``, an object of ``{question, answer, imageId, types,
isBalanced}`` by id; images in ``images/<imageId>.jpg``, depth in ``images_d/<imageId>.png``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import Question, check_keys, images_of
from spatialbot_model.evaluation.vlm.benchmark import SHORT_ANSWER, ReadOptions, percent, prompt

_SPLIT = "testdev_balanced"


class Gqa:
    """See the module docstring."""

    name = "gqa"
    title = "GQA"
    depth_in_paper = True

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`; `split` names another ``<split>_questions.json``."""
        path = folder / f"{options.split or _SPLIT}_questions.json"
        records = read_json(path)
        if not isinstance(records, dict):
            raise ConfigurationError(f"{path} is no object of questions by id")
        questions = []
        for name, record in records.items():
            if not {"question", "imageId"} <= set(record):
                raise ConfigurationError(f"{path}, question {name}: question or imageId is missing")
            image = folder / "images" / f"{record['imageId']}.jpg"
            answer = record.get("answer")
            questions.append(
                Question(
                    key=str(name),
                    text=prompt(record["question"], SHORT_ANSWER),
                    images=images_of(image, options.depth),
                    expected=None if answer is None else str(answer),
                    tags={
                        "structural": record.get("types", {}).get("structural", ""),
                        "balanced": bool(record.get("isBalanced", True)),
                    },
                )
            )
        return check_keys(questions, path)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: of balanced questions; open ones ask for something, others choose."""
        scored = [q for q in questions if q.tags["balanced"] and q.expected is not None]
        right = {q.key: clean_answer(answers[q.key]) == q.expected for q in scored}

        def share(of: Sequence[Question]) -> float | None:
            return percent(sum(right[q.key] for q in of), len(of))

        kinds = sorted({q.tags["structural"] for q in scored})
        is_open = {q.key: q.tags["structural"] == "query" for q in scored}
        accuracy = share(scored)
        return {
            "headline": {} if accuracy is None else {"gqa": accuracy},
            "n": len(scored),
            "open": share([q for q in scored if is_open[q.key]]),
            "binary": share([q for q in scored if not is_open[q.key]]),
            "structural": {
                kind: share([q for q in scored if q.tags["structural"] == kind]) for kind in kinds
            },
        }

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`."""
        return [
            {"questionId": q.key, "prediction": clean_answer(answers[q.key])} for q in questions
        ]


def clean_answer(text: str) -> str:
    """An answer as it is compared: in lower case, without full stops at its end."""
    return text.strip().rstrip(".").lower()
