"""Tokenizers: plain-text encoding, and the extra tokens behind a vocabulary."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from spatialbot_model.contracts.action_codec import NUM_BINS, action_token
from spatialbot_model.contracts.conversation import TokenLayout
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError

ACTION_QUERY_TOKEN = "<act_query>"
IMAGE_TOKEN = "<image>"
END_TOKEN = "<|endoftext|>"
"""Closes an answer in the release, whatever base model; a tokenizer without it uses its own."""

_MINI = Path(__file__).parent / "tokenizers" / "mini"


class HfTextEncoder:
    """`TextEncoder` on a Hugging Face tokenizer.

    Special tokens written out in a text are encoded letter by letter, and none is added at the
    ends. The tokenizer itself is not changed.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._plain: Tokenizer | None = None
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if isinstance(backend, Tokenizer):
            # a copy of its own: the switch is state of the tokenizer, which others use too
            self._plain = Tokenizer.from_str(backend.to_str())
            self._plain.encode_special_tokens = True
            self._plain.no_truncation()
            self._plain.no_padding()
        # prompts repeat the same few texts at every control step
        self._encode = lru_cache(maxsize=256)(self._encode_uncached)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, none of them special.

        Raises:
            ConfigurationError: half of a surrogate pair, which no UTF-8 text holds.
        """
        return list(self._encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, blanks as they are; ids beyond the vocabulary read as nothing."""
        if self._plain is not None:
            return self._plain.decode(list(ids), skip_special_tokens=False)
        text = self._tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text

    def __reduce__(self) -> tuple[type["HfTextEncoder"], tuple[PreTrainedTokenizerBase]]:
        """Copies and worker processes start with an empty cache."""
        return HfTextEncoder, (self._tokenizer,)

    def _encode_uncached(self, text: str) -> tuple[int, ...]:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ConfigurationError(f"the text {text[:80]!r} is no valid Unicode")
        if self._plain is not None:
            return tuple(self._plain.encode(text, add_special_tokens=False).ids)
        return tuple(
            self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )


def layout_token_names(with_actions: bool) -> list[str]:
    """The extra tokens in their order: 101 actions, the action query, the image."""
    actions = [action_token(k) for k in range(NUM_BINS)] + [ACTION_QUERY_TOKEN]
    return [*(actions if with_actions else []), IMAGE_TOKEN]


def add_layout_tokens(tokenizer: PreTrainedTokenizerBase, with_actions: bool) -> TokenLayout:
    """Put the extra tokens right behind a tokenizer's vocabulary; done before, it only reads.

    Args:
        with_actions: whether there are action tokens. Weights whose actions are text have none.

    Raises:
        ConfigurationError: the tokenizer holds some of the tokens at other places, or it knows
            no end of text.
    """
    names = layout_token_names(with_actions)
    known = tokenizer.get_vocab()
    if not any(name in known for name in names):
        tokens = [AddedToken(name, special=True, normalized=False) for name in names]
        tokenizer.add_tokens(tokens, special_tokens=True)
        known = tokenizer.get_vocab()
    ids = [known.get(name) for name in names]
    first = ids[0]
    if first is None or ids != list(range(first, first + len(ids))):
        raise ConfigurationError(
            f"the tokenizer does not hold {names[0]} .. {names[-1]} one behind the other; use the"
            " tokenizer of the base model, without tokens of these names"
        )
    end = known.get(END_TOKEN, tokenizer.eos_token_id)
    if end is None:
        raise ConfigurationError("the tokenizer has no end-of-text token; an answer needs one")
    if not with_actions:
        return TokenLayout(image=first, end=int(end))
    return TokenLayout(
        image=first + NUM_BINS + 1,
        end=int(end),
        first_action=first,
        action_query=first + NUM_BINS,
    )


def load_tokenizer(folder: str | Path) -> Any:
    """The tokenizer saved in a folder; never looks at the network.

    Raises:
        CheckpointError: the folder holds no tokenizer that can be read.
    """
    try:
        # an empty config: what class reads the files is said by tokenizer_config.json, and the
        # model's own config.json may be of a type that is registered later
        return AutoTokenizer.from_pretrained(
            str(folder), config=PreTrainedConfig(), local_files_only=True, trust_remote_code=False
        )
    # what the tokenizers library raises for a damaged file has no class of its own
    except Exception as error:
        raise CheckpointError(
            f"{folder} holds no tokenizer that can be loaded ({error}); expected tokenizer.json and"
            " tokenizer_config.json"
        ) from error


def load_mini_tokenizer() -> Any:
    """The tokenizer of the small presets, about 2,000 entries; ships with the package."""
    return load_tokenizer(_MINI)
