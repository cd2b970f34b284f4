"""Test tokenizer with Qwen's real ids: the entries of its vocabulary that the tests need.

All other places up to Qwen's 151,643 are filled with entries that no text reaches, so that
special, action and image tokens get their real ids too.
"""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 151_643
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def qwen_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of Qwen1.5 for the texts of these tests."""
    text = Path(__file__).with_name("qwen_excerpt.json").read_text(encoding="utf-8")
    excerpt = json.loads(text)
    vocabulary = dict(excerpt["ids"])
    taken = set(vocabulary.values())
    vocabulary |= {f"\0{k}": k for k in range(VOCABULARY_SIZE) if k not in taken}
    merges = [tuple(merge.split(" ")) for merge in excerpt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
