"""What a run has made: counts by level, kind and mode, and what was left out, why."""

import json
import re
from collections import Counter
from typing import Any

_VARYING = re.compile(r"\d+(?:\.\d+)?|'[^']*'|(?<=^)[^ :]+(?=:)|/\S+")


class Report:
    """Counts scenes and questions as they come."""

    def __init__(self) -> None:
        self._scenes = 0
        self._without = 0
        self._by: dict[str, Counter[str]] = {
            name: Counter() for name in ("levels", "kinds", "modes", "answers")
        }
        self._skipped: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._remarks: Counter[str] = Counter()

    def use(self, scene: dict[str, Any]) -> None:
        """Count a scene and its questions."""
        self._scenes += 1
        self._without += not scene["items"]
        for item in scene["items"]:
            self._by["levels"][item["level"]] += 1
            self._by["kinds"][item["kind"]] += 1
            self._by["modes"][item["mode"]] += 1
            answer = item["facts"].get("answer")
            if isinstance(answer, bool):
                self._by["answers"][f"{item['kind']}: {'yes' if answer else 'no'}"] += 1
        for remark in scene["remarks"]:
            self._remarks[_general(remark)] += 1

    def skip(self, reason: str, kind: str = "") -> None:
        """Count a scene that could not be used."""
        kind = kind or _general(reason)
        self._skipped[kind] += 1
        self._examples.setdefault(kind, reason)

    def to_json(self) -> bytes:
        """The report; the same counts always give the same bytes."""
        data = {
            "scenes": self._scenes,
            "scenes_without_questions": self._without,
            "questions": sum(self._by["levels"].values()),
            **{name: dict(sorted(counter.items())) for name, counter in self._by.items()},
            "skipped": [
                {"count": count, "reason": kind, "example": self._examples[kind]}
                for kind, count in sorted(self._skipped.items())
            ],
            "remarks": dict(sorted(self._remarks.items())),
        }
        return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _general(text: str) -> str:
    """A reason without names and numbers, so that equal ones are counted together."""
    return _VARYING.sub("..", text)
