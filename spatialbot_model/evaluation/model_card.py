"""README.md of a checkpoint: what it is, how it was trained, what it scores, where it fails."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.evaluation.summary import NOTHING_NEW, summarise_trials
from spatialbot_model.evaluation.trials_file import TrialsFolder, checkpoint_hash
from spatialbot_model.inference.model_info import describe_checkpoint

CARD_NAME = "README.md"
_TRAINING_NAME = "training.json"
_MB = 1e6
_TOLD = ("batch_size", "learning_rate", "weight_decay", "ema", "precision", "seed")
_AXES_MM, _AXES_DEG = ("dx", "dy", "dz"), ("droll", "dpitch", "dyaw")


def write_model_card(
    folder: Path, title: str, evaluations: Sequence[Path], *, limits: str = "", picture: str = ""
) -> Path:
    """Write the card beside the weights.

    Args:
        folder: of the checkpoint.
        evaluations: folders of trials of just these weights.
        limits: what to know before using it, markdown.
        picture: of the training's curves, a file in `folder`.

    Returns:
        The card.

    Raises:
        CheckpointError: no checkpoint, one of unknown training, or trials of other weights.
    """
    about, training = describe_checkpoint(folder), _training_of(folder)
    trials = [TrialsFolder.read(each) for each in evaluations]
    digest = checkpoint_hash(folder)
    for each in trials:
        if each.conditions.get("checkpoint_hash") != digest:
            raise CheckpointError(
                f"{each.folder} holds trials of other weights"
                f" ({each.conditions.get('checkpoint_hash')}) than {folder} ({digest}); evaluate"
                " these first"
            )
    size_mb = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / _MB
    parts = [
        _header(),
        f"# {title}\n",
        _introduction(about, training, size_mb),
        f"Weights: `{digest}`, {training['git'] or 'sources of unknown revision'}.\n",
        "## Training\n",
        _recipe_text(training),
        f"![Curves of the training]({picture})\n" if picture else "",
        _data_text(training),
        "## Scores\n",
        _step_errors(training),
        *(_closed_loop(each) for each in trials),
        "## Limits\n" if limits else "",
        f"{limits.strip()}\n" if limits else "",
    ]
    card = folder / CARD_NAME
    card.write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return card


def _training_of(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _TRAINING_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder} does not tell how it was trained ({_TRAINING_NAME}: {error}); only"
            " checkpoints that `spatialbot train` has written get a card"
        ) from error
    return found


def _header() -> str:
    values = {
        "library_name": "spatialbot",
        "pipeline_tag": "robotics",
        "tags": ["robotics", "vision-language-action", "rgbd", "spatialbot"],
        "language": ["en"],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---\n"


def _introduction(about: Mapping[str, Any], training: Mapping[str, Any], size_mb: float) -> str:
    spec = about["action_spec"]
    return (
        f"A vision-language-action model of {about['parameters'] / 1e6:.1f} M parameters"
        f" ({size_mb:.1f} MB): {about['vision_tower']} reads pictures of {about['image_size_px']}"
        f" px, {about['language_model']} the instruction, and seven answers of 101 bins move the"
        f" tool by up to {spec['translation_limit_m'] * 1e3:.0f} mm and"
        f" {spec['rotation_limit_rad']:.2f} rad along and about each axis of `{spec['frame']}`,"
        f" {spec['rate_hz']:g} times a second (ActionSpec `{about['action_spec_id']}`). It was"
        f" trained by `spatialbot train {training['recipe']['name']}`.\n"
    )


def _recipe_text(training: Mapping[str, Any]) -> str:
    recipe, versions = training["recipe"], training["versions"]
    told = ", ".join(f"{name} {recipe[name]}" for name in _TOLD)
    libraries = ", ".join(f"{name} {text}" for name, text in versions.items() if name != "device")
    return (
        f"{training['step']} steps from {training['start']}: {told};"
        f" {training['training_seconds'] / 60:.0f} min on {versions['device']} ({libraries})."
        f" Every value is in `{_TRAINING_NAME}`.\n"
    )


def _data_text(training: Mapping[str, Any]) -> str:
    notes = "\n".join(f"- {note}" for note in training["notes"])
    return f"Data (digest `{training['data_digest'][:16]}`):\n\n{notes}\n"


def _step_errors(training: Mapping[str, Any]) -> str:
    scores = training["scores"]
    cells = [f"{scores[f'error/{axis}_mm']:.2f} mm" for axis in _AXES_MM]
    cells += [f"{scores[f'error/{axis}_deg']:.2f}°" for axis in _AXES_DEG]
    names = (*_AXES_MM, *_AXES_DEG, "gripper")
    cells.append(f"{scores['error/gripper']:.3f}")
    return (
        "Mean error of one step on scenes that were not learned from:\n\n"
        f"| {' | '.join(names)} |\n|{'--:|' * len(names)}\n| {' | '.join(cells)} |\n"
    )


def _closed_loop(found: TrialsFolder) -> str:
    seeds = [trial.seed for trial in found.trials]
    lines = [
        f"In closed loop ({_conditions(found.conditions)}; seeds {min(seeds)} to {max(seeds)}):\n",
        "| scenes | success | n | 95 % interval | right object | failures |",
        "|---|--:|--:|---|--:|---|",
    ]
    summary = summarise_trials(found.trials)
    groups: list[tuple[str, dict[str, Any]]] = [
        *summary["families"].items(),
        ("all", summary["all"]),
    ]
    if len(summary["novelty"]) > 1:
        groups += [
            (f"of all, {name if name == NOTHING_NEW else f'held-out {name}'}", part)
            for name, part in summary["novelty"].items()
        ]
    for name, group in groups:
        rate, followed = group["success"], group["right_object"]
        failures = ", ".join(f"{what} {count}" for what, count in group["failures"].items())
        right = "-" if followed is None else f"{followed['rate']:.1%}"
        lines.append(
            f"| {name} | {rate['rate']:.1%} | {rate['n']} | {rate['low']:.1%} to"
            f" {rate['high']:.1%} | {right} | {failures or 'none'} |"
        )
    return "\n".join(lines) + "\n"


def _conditions(conditions: Mapping[str, Any]) -> str:
    environment = conditions.get("environment", "?")
    changed = [
        f"{name} {conditions[name]}"
        for name in ("depth", "instructions")
        if conditions.get(name, "normal") != "normal"
    ]
    steps = f"at most {conditions.get('max_steps')} steps"
    return ", ".join([f"{environment} environment", steps, *changed])
