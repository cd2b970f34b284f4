"""MME (Fu et al., arXiv 2306.13394): yes or no, two questions an image, acc and acc+.

Layout: a folder for each of the 14 tasks. Either ``<task>/<name>.txt`` beside the images, or
``<task>/questions_answers_YN/<name>.txt`` and ``<task>/images/<name>.jpg``. A text file has two
lines of question and answer with a tab between.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.questions import Question, check_keys, images_of
from spatialbot_model.evaluation.vlm.benchmark import SHORT_ANSWER, ReadOptions, prompt

PERCEPTION = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark"),
    *("artwork", "OCR"),
)
COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)
_OFFICIAL_ENDING = "Please answer yes or no."
_SUFFIXES = (".jpg", ".png", ".jpeg")


class Mme:
    """See the module docstring."""

    name = "mme"
    title = "MME"
    depth_in_paper = True

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`."""
        questions = []
        for task in (*PERCEPTION, *COGNITION):
            if not (folder / task).is_dir():
                raise ConfigurationError(
                    f"{folder} has no folder {task}; give MME_Benchmark_release_version"
                )
            nested = folder / task / "questions_answers_YN"
            texts = sorted((nested if nested.is_dir() else folder / task).glob("*.txt"))
            if not texts:
                raise ConfigurationError(f"{folder / task} holds no question file")
            images = folder / task / "images" if nested.is_dir() else folder / task
            for path in texts:
                questions += _read_pair(task, path, images, options.depth)
        return check_keys(questions, folder)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: a task has 100 * acc + 100 * acc+ points."""
        tasks = {task: _score_task(task, questions, answers) for task in (*PERCEPTION, *COGNITION)}
        perception = sum(tasks[task]["score"] for task in PERCEPTION)
        cognition = sum(tasks[task]["score"] for task in COGNITION)
        return {
            "headline": {"mme_perception": perception, "mme_cognition": cognition},
            "tasks": tasks,
            "invalid": sum(task["other"] for task in tasks.values()),
        }

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`."""
        return None


def parse_yes_no(text: str) -> str:
    """``yes``, ``no`` or ``other``, as the official script decides: by the first four letters."""
    start = text.lower()[:4]
    if "yes" in start:
        return "yes"
    return "no" if "no" in start else "other"


def _score_task(
    task: str, questions: Sequence[Question], answers: Mapping[str, str]
) -> dict[str, Any]:
    asked = [question for question in questions if question.tags["task"] == task]
    said = [parse_yes_no(answers[question.key]) for question in asked]
    right = [text == question.expected for text, question in zip(said, asked, strict=True)]
    both = sum(right[k] and right[k + 1] for k in range(0, len(right), 2))
    acc = sum(right) / len(right)
    acc_plus = both / (len(right) // 2)
    return {
        "acc": acc,
        "acc_plus": acc_plus,
        "score": 100.0 * acc + 100.0 * acc_plus,
        "n": len(right),
        "other": said.count("other"),
    }


def _read_pair(task: str, path: Path, images: Path, depth: bool) -> list[Question]:
    image = next(
        (images / f"{path.stem}{s}" for s in _SUFFIXES if (images / f"{path.stem}{s}").is_file()),
        images / f"{path.stem}{_SUFFIXES[0]}",
    )
    shown = images_of(image, depth)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    parts = [line.split("\t") for line in lines]
    if len(parts) != 2 or any(len(part) != 2 for part in parts):
        raise ConfigurationError(f"{path}: expected two lines of question, tab and answer")
    questions = []
    for number, (text, answer) in enumerate(parts):
        expected = answer.strip().lower()
        if expected not in ("yes", "no"):
            raise ConfigurationError(f"{path}: the answer is {answer!r}, expected Yes or No")
        text = text.replace(_OFFICIAL_ENDING, "")
        questions.append(
            Question(
                key=f"{task}/{path.stem}/{number}",
                text=prompt(text, SHORT_ANSWER),
                images=shown,
                expected=expected,
                tags={"task": task},
            )
        )
    return questions
