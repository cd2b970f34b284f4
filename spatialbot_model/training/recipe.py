"""A recipe: all hyper-parameters of a training, each of which can be set by name."""

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.training.action_data import ActionDataOptions
from spatialbot_model.training.action_objective import ActionObjectiveOptions

Precision = Literal["float32", "bfloat16"]
ExportPrecision = Literal["float32", "bfloat16", "float16"]
Trained = Literal["all", "projector", "lora", "all-but-vision"]

CHANGED_AT_WILL = frozenset(
    {
        *("log_every", "evaluate_every", "evaluate_batches", "save_every", "save_minutes", "keep"),
        *("export_every", "export_precision", "prefetch", "loader_threads"),
    }
)
"""Hyper-parameters that do not change what is learned."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: of the recipe.
        task: what is learned, by name in `tasks.TASKS`.
        preset: a new model is made from it when no checkpoint to start from is given.
        trained: which weights: all, the projector, all but the vision tower, or low-rank updates
            of the language model and the projector.
        steps: optimisation steps.
        batch_size: samples of one optimisation step, over all processes.
        micro_batch_size: samples of one forward pass of one process.
        learning_rate: largest, after the warm-up.
        projector_learning_rate: of the projector; None = `learning_rate`.
        final_learning_rate: share of the largest one at the last step.
        warmup: share of the steps in which the rate grows from 0.
        weight_decay: of matrices; vectors have none.
        beta1, beta2, epsilon: of AdamW.
        clip_norm: longest gradient; 0 = not clipped.
        ema: decay of the averaged weights that are evaluated and saved; 0 = no average.
        precision: of the forward pass; weights are float32.
        export_precision: of the weights in checkpoints for use.
        seed: of new weights, draws and augmentations.
        validation_share: of the scenes, which are not learned from.
        data: how control steps are drawn and disturbed, ``data.gripper_weight`` and so on.
        objective: weights of the parts of the actions' loss, ``objective.sigma_bins`` and so on.
        question_share: share of the samples of a multitask batch that are questions.
        lora_rank, lora_alpha, lora_dropout: of the low-rank updates.
        log_every: steps between lines of the log.
        evaluate_every: steps between evaluations; 0 = at the end only.
        evaluate_batches: most forward passes of an evaluation.
        save_every: steps between resumable states; 0 = by time only.
        save_minutes: minutes between resumable states; 0 = by steps only.
        keep: resumable states that are kept.
        export_every: steps between checkpoints for use; 0 = at the end only.
        prefetch: batches that are made ahead.
        loader_threads: threads that make batches.
    """

    name: str
    task: str
    preset: str
    trained: Trained = "all"
    steps: int = 1000
    batch_size: int = 64
    micro_batch_size: int = 64
    learning_rate: float = 5e-4
    projector_learning_rate: float | None = None
    final_learning_rate: float = 0.02
    warmup: float = 0.03
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    clip_norm: float = 1.0
    ema: float = 0.0
    precision: Precision = "float32"
    export_precision: ExportPrecision = "float32"
    seed: int = 0
    validation_share: float = 0.05
    data: ActionDataOptions = field(default_factory=ActionDataOptions)
    objective: ActionObjectiveOptions = field(default_factory=ActionObjectiveOptions)
    question_share: float = 0.25
    lora_rank: int = 0
    lora_alpha: float = 0.0
    lora_dropout: float = 0.0
    log_every: int = 10
    evaluate_every: int = 250
    evaluate_batches: int = 16
    save_every: int = 0
    save_minutes: float = 5.0
    keep: int = 2
    export_every: int = 0
    prefetch: int = 4
    loader_threads: int = 1

    def __post_init__(self) -> None:
        positive = ("steps", "batch_size", "micro_batch_size", "learning_rate", "keep", "prefetch")
        for name in (*positive, "log_every", "evaluate_batches", "loader_threads"):
            self._check(name, getattr(self, name) > 0, "above 0")
        for name in ("evaluate_every", "save_every", "save_minutes", "export_every", "lora_rank"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("ema", "warmup", "validation_share", "question_share", "lora_dropout"):
            self._check(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        for name in ("weight_decay", "clip_norm", "epsilon"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("beta1", "beta2"):
            self._check(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        self._check("final_learning_rate", 0 <= self.final_learning_rate <= 1, "0 .. 1")
        for name, kind in (
            ("precision", Precision),
            ("export_precision", ExportPrecision),
            ("trained", Trained),
        ):
            if getattr(self, name) not in get_args(kind):
                raise UnknownNameError(name, str(getattr(self, name)), get_args(kind))
        self._check("seed", self.seed >= 0, "0 or more")
        whole = self.batch_size % self.micro_batch_size == 0
        self._check("batch_size", whole, f"a multiple of micro_batch_size {self.micro_batch_size}")
        if self.trained == "lora":
            self._check("lora_rank", self.lora_rank > 0, 'above 0 with trained="lora"')

    def _check(self, name: str, is_right: bool, expected: str) -> None:
        if not is_right:
            raise ConfigurationError(
                f"recipe {self.name}: {name} is {getattr(self, name)}, expected {expected}"
            )

    def with_settings(self, settings: Mapping[str, str]) -> "Recipe":
        """Values from a command line put in place of those of the same name.

        Raises:
            UnknownNameError: there is no such hyper-parameter; lists those that are.
            ConfigurationError: not of its type, or a value that cannot be used.
        """
        changed: dict[str, Any] = {}
        nested: dict[str, dict[str, str]] = {}
        for name, text in settings.items():
            outer, dot, inner = name.partition(".")
            if dot and outer in _NESTED:
                nested.setdefault(outer, {})[inner] = text
            else:
                changed[name] = text
        values = _parsed_values(Recipe, changed, "", ("name", "task", *_NESTED))
        for outer, texts in nested.items():
            options: Any = getattr(self, outer)
            parsed = _parsed_values(type(options), texts, f"{outer}.", ())
            values[outer] = replace(options, **parsed)
        return replace(self, **values)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Recipe":
        """Inverse of `to_mapping`; what a later version added takes its default.

        Raises:
            ConfigurationError: unknown or missing names, or values that cannot be used.
        """
        known = {each.name for each in fields(cls)}
        try:
            chosen = dict(values)
            for name, kind in _NESTED.items():
                chosen[name] = kind(**chosen.get(name, {}))
            return cls(**chosen)
        except TypeError as error:
            raise ConfigurationError(f"not a recipe ({error}); it has {sorted(known)}") from error


_NESTED: Mapping[str, Any] = {"data": ActionDataOptions, "objective": ActionObjectiveOptions}


def _parsed_values(
    kind: type, texts: Mapping[str, str], prefix: str, fixed: tuple[str, ...]
) -> dict[str, Any]:
    hints = {n: hint for n, hint in get_type_hints(kind).items() if n not in fixed}
    for name in texts:
        if name not in hints:
            valid = [prefix + known for known in hints]
            if not prefix:
                valid += [f"{outer}.{n}" for outer, k in _NESTED.items() for n in get_type_hints(k)]
            raise UnknownNameError("hyper-parameter", prefix + name, valid)
    return {name: _parsed(prefix + name, text, hints[name]) for name, text in texts.items()}


def _parsed(name: str, text: str, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if text.lower() in ("none", ""):
            return None
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
        origin = get_origin(hint)
    if origin is Literal:
        return text
    try:
        return hint(text)
    except ValueError as error:
        raise ConfigurationError(f"{name}={text} is no {hint.__name__}") from error
