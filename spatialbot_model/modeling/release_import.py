"""Import of released Bunny/SpatialBot checkpoints into our format.

Parameters are renamed, never converted in another way: what the release computes, the imported
model computes. What else is done is what the release does on loading:

- LoRA adapters are merged into their weights, here in float32 (`lora_merge`);
- phi-2 has a bias on its output layer that the release's model class leaves out: it is zero;
- phi-2 has rows behind its tokenizer's last entry, which without that bias could win: they are
  cut. Other language models keep theirs, as room for action tokens;
- all weights get the type of the token embedding.

Anything missing, unexpected or of another shape is an error. Weights are read and written one
tensor at a time, so an import needs about one output file's size of memory.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import PreTrainedConfig

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.depth_codec import DEFAULT_PROFILE
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.release_config import ReleaseConfig, read_release_config
from spatialbot_model.modeling.release_matching import EMBEDDING, HEAD, matched
from spatialbot_model.modeling.release_sources import ReleaseTensors, gather_tensors
from spatialbot_model.modeling.release_tokenizer import find_tokenizer, vocabulary_size
from spatialbot_model.modeling.release_vision import ReleaseVision, Triple, read_release_vision
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.modeling.weight_files import StoredTensor
from spatialbot_model.modeling.weight_writer import write_weights


@dataclass(frozen=True, slots=True)
class ReleaseProcessing:
    """What a processor for the imported model must be set to.

    Attributes:
        tokenizer: folder with the tokenizer's files; None when none was found.
        image_size: side of the square that the tower sees [px].
        geometry: how the release made images square in training.
        mean, std: of (value / 255) per channel.
        depth_profile: the depth encoding the weights know.
        tokens_per_image: image tokens of one image.
        image_token_id: id of ``<image>``, the first one behind the tokenizer's vocabulary.
        context_length: positions the language model was made for.
        trained_length: longest input in training; None if not said.
    """

    tokenizer: Path | None
    image_size: int
    geometry: Literal["pad", "squash"]
    mean: Triple
    std: Triple
    depth_profile: str
    tokens_per_image: int
    image_token_id: int
    context_length: int
    trained_length: int | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        destination: the new checkpoint folder.
        model_type: the release's, e.g. "bunny-phi".
        num_parameters: of the whole model, tied ones counted once.
        num_rows_cut: rows of the embedding behind the tokenizer's entries that were left out.
        dtype: of all weights, e.g. "float16".
        merged_adapters: how many weights a LoRA adapter was merged into.
        vision_from: "checkpoint" or "folder".
        zero_filled: parameters that the release does not have, set to zero.
        ignored: stored tensors that the model does not use, under the names in their files.
        processing: what the processor must be set to.
    """

    destination: Path
    model_type: str
    num_parameters: int
    num_rows_cut: int
    dtype: str
    merged_adapters: int
    vision_from: Literal["checkpoint", "folder"]
    zero_filled: tuple[str, ...]
    ignored: tuple[str, ...]
    processing: ReleaseProcessing


def import_release(
    source: Path,
    destination: Path,
    *,
    base: Path | None = None,
    vision_tower: Path | None = None,
    tokenizer: Path | None = None,
    action_spec: ActionSpec | None = None,
    report: Callable[[str], None] | None = None,
    complete: Callable[[Path, ReleaseProcessing], None] | None = None,
) -> ImportReport:
    """Convert a released checkpoint into a folder of our format.

    The destination appears at once when everything has been written, or not at all.

    Args:
        source: a merged checkpoint, a LoRA adapter folder, or a folder with the projector alone.
        destination: a folder that does not exist yet, or is empty.
        base: the language model's or merged checkpoint's folder that an adapter belongs to.
        vision_tower: CLIP or SigLIP folder; needed when no checkpoint holds the tower's weights
            or when the tower is none of the release's. Weights in the checkpoint come first.
        tokenizer: folder with the tokenizer's files; else looked for in `source` and `base`.
        action_spec: what the actions of these weights mean, which a release does not say; without
            it the model may answer questions, but not move a robot.
        report: called with a line of text at each stage.
        complete: called with the unfinished folder, to write into it what belongs to the
            checkpoint besides the model (the processor).

    Raises:
        CheckpointError: unsupported, incomplete or damaged input, or a destination in use.
    """
    say = report or _ignore
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise CheckpointError(f"{destination} exists already; name a new folder.")
    release = read_release_config(source)
    say(f"reading {release.model_type} from {source}")
    found = gather_tensors(source, base)
    vision = read_release_vision(found.vision, vision_tower, release.vision_name)
    tokenizer_folder = find_tokenizer(tokenizer, source, base)
    embedding = _embedding(found)
    num_entries = _num_entries(tokenizer_folder, embedding)
    # a LoRA folder tells of the vocabulary at the end of training, its base of the stored rows
    text = release.text_config(num_rows=embedding.shape[0] if found.has_base else None)
    language = dict(found.language)
    num_cut = embedding.shape[0] - num_entries if text.model_type == "phi" else 0
    if num_cut and text.vocab_size == embedding.shape[0]:
        text = release.text_config(num_rows=num_entries)
        for key in (EMBEDDING, HEAD):
            if key in language:
                language[key] = language[key].first_rows(num_entries)
    tensors = {**language, **found.projector, **vision.tensors}
    _check_width(release, vision)
    dtype = embedding.dtype
    config = _spatialbot_config(text, vision, num_entries, dtype, action_spec)
    with torch.device("meta"):
        model = SpatialBotForConditionalGeneration(config)
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    own, zero_filled = matched(tensors, expected, config)
    processing = ReleaseProcessing(
        tokenizer=tokenizer_folder,
        image_size=config.image_size,
        geometry=release.geometry,
        mean=vision.mean,
        std=vision.std,
        depth_profile=DEFAULT_PROFILE,
        tokens_per_image=config.tokens_per_image(0),
        image_token_id=config.image_token_id,
        context_length=config.context_length,
        trained_length=release.trained_length,
    )
    _write(destination, own, model, dtype, processing, say, complete)
    return ImportReport(
        destination=destination,
        model_type=release.model_type,
        num_parameters=sum(tensor.num_bytes // tensor.dtype.itemsize for tensor in own.values()),
        num_rows_cut=num_cut,
        dtype=str(dtype).removeprefix("torch."),
        merged_adapters=found.num_merged,
        vision_from="checkpoint" if found.vision else "folder",
        zero_filled=zero_filled,
        ignored=tuple(sorted({*found.ignored, *vision.ignored})),
        processing=processing,
    )


def _ignore(line: str) -> None:
    """Progress that nobody asked for."""


def _embedding(found: ReleaseTensors) -> StoredTensor:
    embedding = found.language.get(EMBEDDING)
    if embedding is None or len(embedding.shape) != 2:
        raise CheckpointError(
            f"the checkpoint holds no {EMBEDDING}: it is no whole language model. An adapter or a"
            " projector alone needs the folder of the language model it was trained on as base."
        )
    if not embedding.dtype.is_floating_point:
        raise CheckpointError(
            f"{EMBEDDING} is stored as {embedding.dtype}; only unquantised weights are imported."
        )
    return embedding


def _num_entries(tokenizer: Path | None, embedding: StoredTensor) -> int:
    """Entries of the tokenizer; without one every row counts as one."""
    rows = embedding.shape[0]
    count = rows if tokenizer is None else vocabulary_size(tokenizer)
    if count > rows:
        raise CheckpointError(
            f"the tokenizer in {tokenizer} has {count} entries, but the model's embedding only"
            f" {rows} rows: it belongs to another model."
        )
    return count


def _check_width(release: ReleaseConfig, vision: ReleaseVision) -> None:
    width = getattr(vision.config, "hidden_size", None)
    if release.vision_width not in (None, width):
        raise CheckpointError(
            f"the vision tower gives {width} channels, but the checkpoint was trained with"
            f" {release.vision_width} (mm_hidden_size): it is another tower than"
            f" {release.vision_name or 'the one in training'}."
        )


def _spatialbot_config(
    text: PreTrainedConfig,
    vision: ReleaseVision,
    image_token_id: int,
    dtype: torch.dtype,
    action_spec: ActionSpec | None,
) -> SpatialBotConfig:
    return SpatialBotConfig(
        vision_config=vision.config,
        text_config=text,
        vision_feature_layer=vision.feature_layer,
        drop_class_token=vision.drop_class_token,
        image_token_id=image_token_id,
        action_form="text",
        action_spec=None if action_spec is None else action_spec.to_mapping(),
        dtype=str(dtype).removeprefix("torch."),
    )


def _write(
    destination: Path,
    tensors: Mapping[str, StoredTensor],
    model: SpatialBotForConditionalGeneration,
    dtype: torch.dtype,
    processing: ReleaseProcessing,
    say: Callable[[str], None],
    complete: Callable[[Path, ReleaseProcessing], None] | None,
) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.parent / f".{destination.name}.{uuid.uuid4().hex}"
    unfinished.mkdir()
    try:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(unfinished)
        model.generation_config.save_pretrained(unfinished)
        write_weights(unfinished, tensors, dtype, say)
        if complete is not None:
            complete(unfinished, processing)
        # replaces an empty folder; fails when somebody else filled it meanwhile
        os.replace(unfinished, destination)
    except OSError as error:
        raise CheckpointError(f"{destination} cannot be written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
