"""A text encoder for tests: one token per byte; tokens that are no text lie behind the bytes."""

from collections.abc import Sequence

from spatialbot_model.contracts.conversation import TokenLayout

END = 256
FIRST_ACTION = 257
ACTION_QUERY = 358
IMAGE = 359
NUM_TOKENS = 360

BYTE_LAYOUT = TokenLayout(
    image=IMAGE, end=END, first_action=FIRST_ACTION, action_query=ACTION_QUERY
)


class ByteEncoder:
    """`TextEncoder` whose ids are the UTF-8 bytes."""

    def encode(self, text: str) -> list[int]:
        """Bytes of a text."""
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        """Text of bytes; ids behind them are dropped, as tokenizers do with unknown ids."""
        return bytes(k for k in ids if k < 256).decode(errors="replace")
