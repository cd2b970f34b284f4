"""SEED-Bench 1 (Li et al., arXiv 2307.16125): four options; accuracy of images, video frames, all.

Layout: ``SEED-Bench.json`` with ``{questions, question_type}``; images in
``SEED-Bench-image/<data_id>``, frames from the middle of videos in
``SEED-Bench-video-image/<question_id>.png``. The benchmark's own script ranks options by
likelihood; the letter that a model answers counts here, as in the release's evaluation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import Question, check_keys, images_of
from spatialbot_model.evaluation.vlm.benchmark import ReadOptions, percent
from spatialbot_model.evaluation.vlm.choices import choice_prompt, infer_choice

_LETTERS = "ABCD"


class SeedBench:
    """See the module docstring."""

    name = "seed"
    title = "SEED-Bench"
    depth_in_paper = False

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`; `split` is image, video, or nothing for what there are files of."""
        path = folder / "SEED-Bench.json"
        loaded = read_json(path)
        if not isinstance(loaded, dict) or not isinstance(loaded.get("questions"), list):
            raise ConfigurationError(f"{path} has no list of questions")
        names = {number: name for name, number in loaded.get("question_type", {}).items()}
        frames = folder / "SEED-Bench-video-image"
        wanted = (options.split,) if options.split else ("image", "video")
        if not options.split and not frames.is_dir():
            wanted = ("image",)
        questions = []
        for record in loaded["questions"]:
            kind = record.get("data_type")
            if kind not in wanted:
                continue
            if record.get("answer") not in tuple(_LETTERS):
                raise ConfigurationError(f"{path}: an answer is {record.get('answer')!r}")
            image = (
                folder / "SEED-Bench-image" / str(record["data_id"])
                if kind == "image"
                else frames / f"{record['question_id']}.png"
            )
            choices = {letter: str(record[f"choice_{letter.lower()}"]) for letter in _LETTERS}
            number = record["question_type_id"]
            questions.append(
                Question(
                    key=str(record["question_id"]),
                    text=choice_prompt(record["question"], choices),
                    images=images_of(image, options.depth),
                    expected=record["answer"],
                    tags={"kind": kind, "options": choices, "type": names.get(number, str(number))},
                )
            )
        return check_keys(questions, path)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: the headline is the accuracy of images."""
        said = {q.key: infer_choice(answers[q.key], q.tags["options"]) for q in questions}

        def share(tag: str, value: str) -> float | None:
            of = [q for q in questions if q.tags[tag] == value]
            return percent(sum(said[q.key] == q.expected for q in of), len(of))

        image = share("kind", "image")
        right = sum(said[q.key] == q.expected for q in questions)
        types = sorted({q.tags["type"] for q in questions})
        return {
            "headline": {} if image is None else {"seed": image},
            "n": len(questions),
            "image": image,
            "video": share("kind", "video"),
            "all": percent(right, len(questions)),
            "types": {kind: share("type", kind) for kind in types},
            "invalid": sum(choice is None for choice in said.values()),
        }

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`."""
        return [
            {
                "question_id": q.key,
                "prediction": infer_choice(answers[q.key], q.tags["options"]) or answers[q.key],
            }
            for q in questions
        ]
