"""A released checkpoint becomes a whole one of ours: the model, and the processor beside it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.contracts.prompt_templates import prompt_template
from spatialbot_model.inference.checkpoints import check_same_tokens
from spatialbot_model.modeling.checkpoint import load_config
from spatialbot_model.modeling.release_import import (
    ImportReport,
    ReleaseProcessing,
    import_release,
)
from spatialbot_model.modeling.release_tokenizer import find_tokenizer
from spatialbot_model.processing.images import ImageSettings
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.processing.tokens import load_tokenizer

TRAINING_TEMPLATE = "release-training"
"""The layout of prompts that the released weights were trained with."""


def import_release_checkpoint(
    source: str | Path,
    destination: str | Path,
    *,
    base: str | Path | None = None,
    vision_tower: str | Path | None = None,
    tokenizer: str | Path | None = None,
    template: str = TRAINING_TEMPLATE,
    action_spec: ActionSpec | None = None,
    report: Callable[[str], None] | None = None,
) -> ImportReport:
    """Convert a released checkpoint; the result loads with `load_checkpoint`.

    Images are prepared as the release does it (mode ``release``), squared as in its training.

    Args:
        source: a merged checkpoint, a LoRA adapter folder, or a folder with the projector alone.
        destination: a folder that does not exist yet, or is empty.
        base: the folder that an adapter or projector was trained on.
        vision_tower: CLIP or SigLIP folder, when the checkpoint does not hold its tower.
        tokenizer: folder with the tokenizer's files; else looked for in `source` and `base`.
        template: name of the prompt template.
        action_spec: what the actions of these weights mean, if they are to move a robot.
        report: called with a line of text at each stage.

    Raises:
        UnknownNameError: no such template.
        CheckpointError: see `import_release`; or there is no tokenizer.
    """
    prompt_template(template)
    source, destination = Path(source), Path(destination)
    base, vision_tower, tokenizer = map(_path, (base, vision_tower, tokenizer))
    words_from = find_tokenizer(tokenizer, source, base)
    if words_from is None:
        raise CheckpointError(
            f"neither {source} nor its base holds a tokenizer; give the folder with the"
            " tokenizer.json of the language model."
        )
    # before the weights, which take minutes
    words = load_tokenizer(words_from)
    return import_release(
        source,
        destination,
        base=base,
        vision_tower=vision_tower,
        tokenizer=tokenizer,
        action_spec=action_spec,
        report=report,
        complete=partial(_add_processor, words=words, template=template),
    )


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _add_processor(
    folder: Path,
    processing: ReleaseProcessing,
    words: PreTrainedTokenizerBase,
    template: str,
) -> None:
    settings = ImageSettings(
        size=processing.image_size,
        mode="release",
        geometry=processing.geometry,
        depth_profile=processing.depth_profile,
        mean=processing.mean,
        std=processing.std,
    )
    processor = SpatialBotProcessor(
        words,
        settings,
        tokens_per_image=processing.tokens_per_image,
        context_length=processing.context_length,
        template=template,
        action_form="text",
        # SpatialQA taught the released weights to ask
        depth_tool=True,
    )
    check_same_tokens(load_config(folder), processor)
    processor.save_pretrained(folder)
