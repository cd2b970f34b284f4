"""The recipes by name, each a function that returns its hyper-parameters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.training.action_data import ActionDataOptions
from spatialbot_model.training.recipe import Recipe


def mini_rgbd() -> Recipe:
    """The shipped policy: acts on RGB and depth, frozen vision, for two CPU cores or one GPU."""
    return Recipe(
        name="mini-rgbd",
        task="actions",
        preset="mini",
        trained="all-but-vision",
        steps=4000,
        batch_size=32,
        micro_batch_size=32,
        learning_rate=8e-4,
        ema=0.998,
        precision="bfloat16",
        evaluate_every=250,
        data=ActionDataOptions(mirrored=True, word_noise=0.1),
    )


def mini_rgbd_grounding() -> Recipe:
    """A first stage for it: where things are, from resting tables; without it actions stall."""
    recipe = _derived(mini_rgbd(), name="mini-rgbd-grounding", steps=600)
    return replace(recipe, objective=replace(recipe.objective, action_weight=0.0))


def mini_rgb_grounding() -> Recipe:
    """The first stage of mini-rgb."""
    return _derived(mini_rgbd_grounding(), name="mini-rgb-grounding", preset="mini-rgb")


def mini_rgb() -> Recipe:
    """Its twin without depth: the same in everything else."""
    return _derived(mini_rgbd(), name="mini-rgb", preset="mini-rgb")


def mini_multitask() -> Recipe:
    """Acts and answers depth questions about the same frames, so that it talks and acts."""
    recipe = _derived(mini_rgbd(), name="mini-multitask", task="multitask")
    # answers are as much of it as actions
    return replace(recipe, objective=replace(recipe.objective, text_weight=1.0))


def paper_pretrain() -> Recipe:
    """The paper's first stage: Qwen1.5-0.5B and CLIP-L, the projector alone learns captions."""
    return Recipe(
        name="paper-pretrain",
        task="conversations",
        preset="qwen1.5-0.5b-clip-l-336",
        trained="projector",
        steps=7800,
        batch_size=256,
        micro_batch_size=32,
        learning_rate=5e-4,
        final_learning_rate=0.0,
        weight_decay=0.0,
        beta2=0.999,
        precision="bfloat16",
        export_precision="bfloat16",
        evaluate_every=500,
    )


def paper_finetune() -> Recipe:
    """The paper's second stage: language model and projector learn SpatialQA-E and SpatialQA."""
    return _derived(
        paper_pretrain(),
        name="paper-finetune",
        trained="all-but-vision",
        batch_size=128,
        micro_batch_size=8,
        learning_rate=2e-5,
        steps=10000,
    )


def lora() -> Recipe:
    """Low-rank updates of a checkpoint of yours on one GPU: small batches, a short run."""
    return _derived(
        paper_finetune(),
        name="lora",
        trained="lora",
        batch_size=16,
        micro_batch_size=2,
        steps=2000,
        learning_rate=1e-4,
        projector_learning_rate=2e-5,
        lora_rank=32,
        lora_alpha=64.0,
        lora_dropout=0.05,
    )


def release_lora() -> Recipe:
    """Hyper-parameters of the released SpatialBot-3B (phi-2, SigLIP): rank 128, alpha 256."""
    return _derived(
        paper_finetune(),
        name="release-lora",
        preset="phi2-siglip-384",
        trained="lora",
        batch_size=128,
        micro_batch_size=2,
        learning_rate=2e-4,
        projector_learning_rate=2e-5,
        lora_rank=128,
        lora_alpha=256.0,
        lora_dropout=0.05,
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = MappingProxyType(
    {
        "mini-rgbd-grounding": mini_rgbd_grounding,
        "mini-rgbd": mini_rgbd,
        "mini-rgb-grounding": mini_rgb_grounding,
        "mini-rgb": mini_rgb,
        "mini-multitask": mini_multitask,
        "paper-pretrain": paper_pretrain,
        "paper-finetune": paper_finetune,
        "lora": lora,
        "release-lora": release_lora,
    }
)


def make_recipe(name: str, settings: Mapping[str, str] | None = None) -> Recipe:
    """A recipe with values of a command line in place of its own.

    Raises:
        UnknownNameError: no such recipe or hyper-parameter; lists those that are.
        ConfigurationError: a value that cannot be used.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]().with_settings(settings or {})


def describe_recipe(name: str) -> str:
    """One line about a recipe."""
    return (RECIPES[name].__doc__ or "").strip().splitlines()[0]


def _derived(base: Recipe, **values: object) -> Recipe:
    return Recipe.from_mapping(base.to_mapping() | values)
