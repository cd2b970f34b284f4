"""How the mini tokenizer was made; `train_mini_tokenizer` makes the same files again.

Byte-level BPE with Qwen's way to cut text: digits stand alone, so that 584 is 5, 8, 4 and near
depths look alike. Every text can be encoded.
"""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from spatialbot_model.processing.mini_text import training_text
from spatialbot_model.processing.tokens import END_TOKEN

VOCABULARY_SIZE = 2000
"""Entries with the 256 bytes and the end token."""

# contractions | words with what stands before them | single digits | punctuation | blanks
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_mini_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into an existing folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    # behind the text's own entries, as Qwen has it
    tokenizer.add_special_tokens([END_TOKEN])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END_TOKEN,
        "pad_token": END_TOKEN,
        "model_max_length": 1_000_000,
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
