"""Plain-text encoding, extra tokens, and the mini tokenizer that ships with the package."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from spatialbot_model.contracts.conversation import TokenLayout
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.processing import tokens
from spatialbot_model.processing.mini_text import training_text
from spatialbot_model.processing.mini_tokenizer import VOCABULARY_SIZE, train_mini_tokenizer
from spatialbot_model.processing.tokens import (
    HfTextEncoder,
    add_layout_tokens,
    load_mini_tokenizer,
    load_tokenizer,
)

MINI_FOLDER = Path(tokens.__file__).parent / "tokenizers" / "mini"
MINI = load_mini_tokenizer()
MINI_LAYOUT = add_layout_tokens(MINI, with_actions=True)
ENCODER = HfTextEncoder(MINI)
SPECIAL = ["<|endoftext|>", "<act_000>", "<act_100>", "<act_query>", "<image>", " ", "\n"]


def word_tokenizer(*words: str) -> PreTrainedTokenizerFast:
    vocabulary = {word: k for k, word in enumerate(words)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocabulary, [])))


@settings(deadline=None)
@given(st.lists(st.sampled_from(SPECIAL) | st.text(max_size=10)).map("".join))
def test_no_text_yields_a_special_token(text: str) -> None:
    ids = ENCODER.encode(text)
    assert all(k < VOCABULARY_SIZE - 1 for k in ids)
    # the tokenizer composes characters (NFC), as Qwen's does
    assert ENCODER.decode(ids) == MINI.backend_tokenizer.normalizer.normalize_str(text)


def test_encoding_leaves_the_tokenizer_as_it_was() -> None:
    ENCODER.encode("<image>")
    assert MINI("<image>").input_ids == [MINI_LAYOUT.image]


def test_a_caller_may_change_what_it_was_given() -> None:
    ENCODER.encode("robot").clear()
    assert ENCODER.decode(ENCODER.encode("robot")) == "robot"


def test_broken_unicode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Unicode"):
        ENCODER.encode("\ud800")


def test_encoders_travel_to_worker_processes() -> None:
    again = pickle.loads(pickle.dumps(ENCODER))  # noqa: S301
    assert again.encode("pick up <image>") == ENCODER.encode("pick up <image>")


def test_a_tokenizer_without_a_backend_is_asked_for_plain_text() -> None:
    class SlowTokenizer:
        """Double: one token per byte, <image> special unless told to split."""

        def encode(self, text: str, add_special_tokens: bool, split_special_tokens: bool):  # type: ignore[no-untyped-def]
            return list(text.encode()) if split_special_tokens and not add_special_tokens else [0]

    encoder = HfTextEncoder(SlowTokenizer())  # type: ignore[arg-type]
    assert encoder.encode("<image>") == list(b"<image>")


def test_extra_tokens_lie_behind_the_vocabulary_and_are_added_once() -> None:
    tokenizer = load_mini_tokenizer()
    expected = TokenLayout(image=2102, end=1999, first_action=2000, action_query=2101)
    assert add_layout_tokens(tokenizer, with_actions=True) == expected
    assert add_layout_tokens(tokenizer, with_actions=True) == expected
    assert len(tokenizer) == 2103
    names = tokenizer.convert_ids_to_tokens([2000, 2017, 2100, 2101, 2102])
    assert names == ["<act_000>", "<act_017>", "<act_100>", "<act_query>", "<image>"]


def test_weights_with_text_actions_get_an_image_token_only() -> None:
    tokenizer = load_mini_tokenizer()
    assert add_layout_tokens(tokenizer, with_actions=False) == TokenLayout(image=2000, end=1999)
    with pytest.raises(ConfigurationError, match="<act_000>"):
        add_layout_tokens(tokenizer, with_actions=True)


def test_a_tokenizer_without_an_end_of_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="end-of-text"):
        add_layout_tokens(word_tokenizer("a", "b"), with_actions=False)
    tokenizer = word_tokenizer("a", "</s>")
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    assert add_layout_tokens(tokenizer, with_actions=False) == TokenLayout(image=2, end=1)


def test_the_mini_tokenizer_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    train_mini_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (MINI_FOLDER / name).read_bytes(), (
            f"{name} is not what train_mini_tokenizer({MINI_FOLDER}) writes; if its text was"
            " changed on purpose, run that and commit the files"
        )


def test_the_mini_tokenizer_loads_as_any_other_does() -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(MINI_FOLDER), local_files_only=True)
    assert len(tokenizer) == VOCABULARY_SIZE == 2000
    assert tokenizer.eos_token_id == 1999
    assert HfTextEncoder(tokenizer).encode("pick up") == ENCODER.encode("pick up")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (" The robot should", [" The", " robot", " should"]),
        (" Depth(0.51)=584", [" Depth", "(", "0", ".", "5", "1", ")=", "5", "8", "4"]),
        (" pick up the red cube", [" pick", " up", " the", " red", " cube"]),
        (" ASSISTANT:", [" ASSISTANT", ":"]),
        ("Answer with robot parameters.", ["Answer", " with", " robot", " parameters", "."]),
    ],
)
def test_the_mini_tokenizer_knows_this_projects_words(text: str, pieces: list[str]) -> None:
    assert [ENCODER.decode([k]) for k in ENCODER.encode(text)] == pieces


def test_no_entry_holds_a_digit_and_something_else() -> None:
    entries = [ENCODER.decode([k]) for k in range(VOCABULARY_SIZE - 1)]
    assert not [text for text in entries if len(text) > 1 and any(c.isdigit() for c in text)]


def test_training_text_is_the_same_each_time() -> None:
    assert list(training_text(20)) == list(training_text(20))
    assert list(training_text(20, seed=1)) != list(training_text(20, seed=2))


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)
