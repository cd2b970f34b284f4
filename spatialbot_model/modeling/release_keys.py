"""Parameter names of released Bunny/SpatialBot checkpoints, and of ours.

The release stores (N a layer, X the name that the transformers class gives below it):

    model.embed_tokens|layers.N|final_layernorm|norm.X      the language model
    lm_head.X
    model.mm_projector.0|2.weight|bias                      the two linear layers
    model.vision_tower.vision_tower.vision_model.X          CLIP or SigLIP

Files written through PEFT put ``base_model.model.`` before the same names. Vision folders
of CLIP and SigLIP hold ``vision_model.X``, together with the text half that is not used.
"""

import re
from collections.abc import Iterable

RELEASE_VISION_PREFIX = "model.vision_tower.vision_tower.vision_model."
RELEASE_PROJECTOR_PREFIX = "model.mm_projector."

OWN_VISION_PREFIX = "vision_tower."
OWN_PROJECTOR_PREFIX = "projector."
OWN_LANGUAGE_PREFIX = "language_model."

# Buffers that transformers computes from the configuration; old versions stored them.
_DERIVED_BUFFERS = re.compile(r"(^|\.)(rotary_emb\.inv_freq|embeddings\.position_ids)$")
# What a whole CLIP or SigLIP checkpoint holds besides its vision half.
_OTHER_HALVES = ("text_model.", "text_projection.", "visual_projection.", "logit_")
_PEFT_PREFIX = "base_model.model."
_PROJECTOR_LAYERS = {"0": "linear_1", "2": "linear_2"}
_RELEASE_PROJECTOR_LAYERS = {own: release for release, own in _PROJECTOR_LAYERS.items()}


def canonical(key: str) -> str:
    """A release's parameter name without the prefixes that wrappers put before it."""
    key = key.removeprefix(_PEFT_PREFIX)
    # some files wrap once more
    if key.startswith(("model.model.", "model.lm_head.")):
        key = key.removeprefix("model.")
    return key


def is_derived(key: str) -> bool:
    """Whether a stored tensor is computed from the configuration, so not needed."""
    return _DERIVED_BUFFERS.search(key) is not None


def own_name(release_key: str) -> str:
    """Our name of a (canonical) release parameter."""
    if release_key.startswith(RELEASE_VISION_PREFIX):
        return OWN_VISION_PREFIX + release_key.removeprefix(RELEASE_VISION_PREFIX)
    if release_key.startswith(RELEASE_PROJECTOR_PREFIX):
        layer, _, rest = release_key.removeprefix(RELEASE_PROJECTOR_PREFIX).partition(".")
        return f"{OWN_PROJECTOR_PREFIX}{_PROJECTOR_LAYERS.get(layer, layer)}.{rest}"
    return OWN_LANGUAGE_PREFIX + release_key


def release_name(own_key: str) -> str:
    """The release's name of one of our parameters: what messages call it."""
    if own_key.startswith(OWN_VISION_PREFIX):
        return RELEASE_VISION_PREFIX + own_key.removeprefix(OWN_VISION_PREFIX)
    if own_key.startswith(OWN_PROJECTOR_PREFIX):
        layer, _, rest = own_key.removeprefix(OWN_PROJECTOR_PREFIX).partition(".")
        return f"{RELEASE_PROJECTOR_PREFIX}{_RELEASE_PROJECTOR_LAYERS.get(layer, layer)}.{rest}"
    return own_key.removeprefix(OWN_LANGUAGE_PREFIX)


def vision_folder_name(key: str) -> str | None:
    """The release's name of a parameter of a vision folder; None for its other half."""
    if key.startswith(_OTHER_HALVES):
        return None
    return RELEASE_VISION_PREFIX + key.removeprefix("vision_model.")


def listed(names: Iterable[str], limit: int = 20) -> str:
    """Names for a message, sorted, at most `limit` of them, with the count of the rest."""
    every = sorted(names)
    shown = "\n  ".join(every[:limit])
    rest = len(every) - limit
    return f"\n  {shown}" + (f"\n  and {rest} more" if rest > 0 else "")
