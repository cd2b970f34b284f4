"""Template files that do not fit are refused; a rewriter changes words only."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from drawn_scenes import draw_scene
from own_address import own_address

from spatialbot_model.contracts.errors import ConfigurationError, PolicyConnectionError
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, Item, generate_items
from spatialbot_model.spatialqa.high import plural, with_article
from spatialbot_model.spatialqa.rewriter import Rewriter, RewriterOptions, is_faithful
from spatialbot_model.spatialqa.templates import load_templates

POINT = KINDS["depth_point"]
REACHED = KINDS["reached"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "no templates"),
        ("depth_point: {questions: [a], answers: [b], more: [c]}", "unknown keys more"),
        ("depth_point: {questions: [], answers: [b]}", "at least one text"),
        ("depth_point: {questions: ['{object}'], answers: [b]}", "placeholders"),
        ("depth_point: {questions: ['{point'], answers: [b]}", "depth_point"),
        ("depth_point: {questions: [a], answers: {yes: [b]}}", "expected"),
        ("a: [", "cannot read"),
    ],
)
def test_templates_that_do_not_fit_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "low.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        load_templates([POINT], tmp_path)


def test_bare_yes_and_no_are_words(tmp_path: Path) -> None:
    text = "reached: {questions: ['{hand}?'], answers: {yes: [a], no: [b]}}"
    (tmp_path / "high.yaml").write_text(text)
    found = load_templates([REACHED], tmp_path).by_kind["reached"]
    assert found.answers == {"yes": ("a",), "no": ("b",)}
    with pytest.raises(ConfigurationError, match=r"low\.yaml"):
        load_templates([POINT], tmp_path)


def test_nouns() -> None:
    words = ("cup", "open box", "knife", "cherry", "toy", "person")
    expected = ["cups", "open boxes", "knives", "cherries", "toys", "people"]
    assert [plural(word) for word in words] == expected
    assert with_article("orange") == "an orange"
    assert with_article("cup") == "a cup"


@pytest.mark.parametrize(
    ("question", "written", "faithful"),
    [
        ("Is the red cup behind the box?", "Does the red cup lie behind the box?", True),
        ("Is the red cup behind the box?", "Does the box lie behind the red cup?", False),
        ("Is the red cup behind the box?", "Is the red cup in front of the box?", False),
        ("Is the red cup behind the box?", "Is the blue cup behind the box?", False),
        ("What is at <0.5,0.2>?", "What do you see at <0.5,0.3>?", False),
        ("Is the cup there?", "", False),
        ("Is the cup there?", "Is the cup there?\nYes.", False),
    ],
)
def test_only_faithful_rewritings_count(question: str, written: str, faithful: bool) -> None:
    assert is_faithful(question, written) == faithful


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = "Please tell me: " + body["messages"][-1]["content"]
            answer = {"choices": [{"message": {"content": text}}]}
            data = json.dumps(answer if body["model"] == "good" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer((own_address(), 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://{http.server_address[0]}:{http.server_port}/v1"
    http.shutdown()
    http.server_close()
    thread.join(5)


def test_the_rewriter_changes_high_level_questions_only(server: str) -> None:
    items = generate_items(draw_scene(5), load_templates(KINDS.values()), GenerateOptions())
    rewriter = Rewriter(RewriterOptions(server, "good"))
    changed = 0
    for item in items:
        new: Item = rewriter.rewrite(item)
        assert (new.turns[1:], new.facts) == (item.turns[1:], item.facts)
        if new != item:
            assert item.level == "high"
            assert new.turns[0][1] == "Please tell me: " + item.turns[0][1]
            changed += 1
    assert changed > 3
    with pytest.raises(PolicyConnectionError, match="finished scenes are kept"):
        for item in items:
            Rewriter(RewriterOptions(server, "bad")).rewrite(item)
    with pytest.raises(ConfigurationError, match="http"):
        RewriterOptions("file:///etc/passwd", "")
