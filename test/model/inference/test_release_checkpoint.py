"""A released folder in, a checkpoint out that answers as the release's parameters say."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "modeling" / "released"))

from release_files import (
    TINY_SIGLIP,
    Language,
    Tensors,
    phi_config,
    phi_shapes,
    projector_shapes,
    random_tensors,
    siglip_shapes,
    vision_config,
    write_json,
    write_sharded,
    write_tokenizer,
)
from release_reference import prompt_states

from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.errors import CheckpointError, UnknownNameError
from spatialbot_model.contracts.types import PromptImage
from spatialbot_model.inference.checkpoints import load_checkpoint
from spatialbot_model.inference.release_checkpoint import import_release_checkpoint
from spatialbot_model.processing.tokens import load_mini_tokenizer

CPU = torch.device("cpu")


@pytest.fixture
def released(tmp_path: Path) -> tuple[Path, Path, Language, Tensors]:
    """A phi release with a real tokenizer, the folder of its tower, and its tensors."""
    tokenizer = load_mini_tokenizer()
    language = Language(rows=len(tokenizer), width=40, inner=56, layers=2, heads=4, kv_heads=4)
    shapes = phi_shapes(language) | projector_shapes(TINY_SIGLIP, language)
    tensors = random_tensors(shapes | siglip_shapes(TINY_SIGLIP))
    folder, tower = tmp_path / "SpatialBot-3B", tmp_path / "siglip"
    write_sharded(folder, tensors, shards=2)
    write_json(folder / "config.json", phi_config(language, eos_token_id=0))
    tokenizer.save_pretrained(folder)
    write_json(tower / "config.json", vision_config("siglip", TINY_SIGLIP))
    return folder, tower, language, tensors


def encoded_as_released(depth_mm: np.ndarray) -> np.ndarray:
    """The release's three channels: 1024 mm, 32 mm and 1 mm, spread to the upper bits."""
    d = depth_mm.astype(np.int64)
    return np.stack([(d // 1024) * 4, (d // 32 % 32) * 8, (d % 32) * 8], axis=-1).astype(np.uint8)


def test_question_about_an_rgbd_frame(
    tmp_path: Path, released: tuple[Path, Path, Language, Tensors]
) -> None:
    source, tower, language, tensors = released
    lines: list[str] = []
    report = import_release_checkpoint(
        source, tmp_path / "out", vision_tower=tower, report=lines.append
    )
    assert lines
    model, processor = load_checkpoint(tmp_path / "out", CPU, torch.float32)
    assert processor.layout.image == model.config.image_token_id == language.rows
    assert processor.template == "release-training"
    assert processor.image_settings.mode == "release"
    assert report.processing.tokenizer == source

    # of the tower's size, so that nothing is resized
    rng = np.random.default_rng(3)
    size = TINY_SIGLIP.image_size
    colour = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    depth_mm = rng.integers(0, 60000, (size, size), dtype=np.uint16)
    question = "What is the depth value of point <0.5,0.2>? Answer directly from depth map."
    conversation = Conversation(
        (Message("user", f"<image 1>\n<image 2>\n{question}"),), ("rgb", "depth")
    )
    prompt = processor([PromptImage("rgb", colour), PromptImage("depth", depth_mm)], conversation)
    with torch.inference_mode():
        logits = model(**prompt).logits[0]

    # the release's own way: text between placeholders is tokenized apart
    words = load_mini_tokenizer()
    system = (
        "A chat between a curious user and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the user's questions. USER: "
    )
    texts = [
        words.encode(text, add_special_tokens=False)
        for text in (system, "\n", f"\n{question} ASSISTANT:")
    ]
    pictures = [
        torch.from_numpy(picture.astype(np.float64)).permute(2, 0, 1) / 255 * 2 - 1
        for picture in (colour, encoded_as_released(depth_mm))
    ]
    segments = [texts[0], pictures[0], texts[1], pictures[1], texts[2]]
    _, expected = prompt_states(tensors, segments, language, TINY_SIGLIP, "siglip")
    torch.testing.assert_close(logits.double(), expected, rtol=1e-3, atol=1e-3)
    assert int(logits[-1].argmax()) == int(expected[-1].argmax())


def test_no_tokenizer(tmp_path: Path, released: tuple[Path, Path, Language, Tensors]) -> None:
    source, tower, _, _ = released
    (source / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="holds a tokenizer; give the folder"):
        import_release_checkpoint(source, tmp_path / "out", vision_tower=tower)
    report = import_release_checkpoint(
        source,
        tmp_path / "out",
        vision_tower=tower,
        tokenizer=Path(load_mini_tokenizer().name_or_path),
        template="release-rtx",
    )
    assert report.processing.image_token_id == released[2].rows
    assert load_checkpoint(tmp_path / "out", CPU, torch.float32)[1].template == "release-rtx"


def test_refused_before_any_weight_is_read(
    tmp_path: Path, released: tuple[Path, Path, Language, Tensors]
) -> None:
    source, tower, language, _ = released
    before = set(tmp_path.iterdir())
    lines: list[str] = []
    with pytest.raises(UnknownNameError, match="release-training"):
        import_release_checkpoint(
            source, tmp_path / "out", vision_tower=tower, template="vicuna", report=lines.append
        )
    # has the entries of a tokenizer, and is none
    write_tokenizer(source, language.rows)
    with pytest.raises(CheckpointError, match="no tokenizer that can be loaded"):
        import_release_checkpoint(source, tmp_path / "out", vision_tower=tower, report=lines.append)
    assert set(tmp_path.iterdir()) == before
    assert lines == []
