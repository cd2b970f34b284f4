"""Optional: a language model says high-level questions in other words; answers stay computed.

Off by default. Speaks the chat protocol of OpenAI-compatible servers over HTTP. What the model
answers is taken only where it is one question that still names everything that it named.
"""

import json
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError, PolicyConnectionError
from spatialbot_model.contracts.prompt_templates import DEPTH_DIRECT_SUFFIX
from spatialbot_model.spatialqa.generate import Item

_ORDER = (
    "Rewrite the question in other words. Keep its meaning, every name of an object, every number"
    " and every point exactly as they are. Answer with the rewritten question only."
)
_LONGEST_QUESTION = 400
_NUMBERS = re.compile(r"<[^>]*>|\d+(?:\.\d+)?")
# in words of other kinds the same names would ask the opposite
_MEANING = ("left", "right", "higher", "lower", "front", "behind", "wider", "taller", "larger")


@dataclass(frozen=True, slots=True)
class RewriterOptions:
    """Where the language model is.

    Attributes:
        url: base, such as ``http://localhost:8000/v1``.
        key_variable: environment variable that holds the key, "" for none.

    Raises:
        ConfigurationError: no http(s) address.
    """

    url: str
    model: str
    key_variable: str = ""
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"the rewriter's address is {self.url!r}, expected http(s)://host:port/v1"
            )


class Rewriter:
    """Rewrites the questions of high-level items."""

    def __init__(self, options: RewriterOptions) -> None:
        self._options = options

    def rewrite(self, item: Item) -> Item:
        """The item with other words in its question, or as it was.

        Raises:
            PolicyConnectionError: the server does not answer, or not in its protocol.
        """
        if item.level != "high":
            return item
        asked = item.turns[0][1]
        question = asked.removesuffix(DEPTH_DIRECT_SUFFIX).rstrip()
        written = self._ask(question).strip()
        if not is_faithful(question, written):
            return item
        ending = asked[len(question) :]
        return replace(item, turns=(("human", written + ending), *item.turns[1:]))

    def _ask(self, question: str) -> str:
        options = self._options
        body = {
            "model": options.model,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": _ORDER},
                {"role": "user", "content": question},
            ],
        }
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(options.key_variable, "") if options.key_variable else ""
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(  # the scheme was checked
            f"{options.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=options.timeout_s) as reply:
                answer: Any = json.load(reply)
            return str(answer["choices"][0]["message"]["content"])
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise PolicyConnectionError(
                f"the rewriter at {options.url} gave no answer ({error}); run the same command"
                " again: finished scenes are kept"
            ) from error


def is_faithful(question: str, written: str) -> bool:
    """Whether a rewritten question is one line that keeps numbers, order and relation words."""
    if not written or "\n" in written or len(written) > _LONGEST_QUESTION:
        return False
    if _NUMBERS.findall(question) != _NUMBERS.findall(written):
        return False
    if "Depth(" in written or "API:" in written or "<image" in written:
        return False
    lower_q, lower_w = question.lower(), written.lower()
    if [w for w in _MEANING if w in lower_q] != [w for w in _MEANING if w in lower_w]:
        return False
    names = re.findall(r"\bthe ((?:\w+ )?\w+)", lower_q)
    places = [lower_w.find(name) for name in names]
    return -1 not in places and places == sorted(places)
