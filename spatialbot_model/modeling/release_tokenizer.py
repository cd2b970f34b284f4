"""Finding the tokenizer of a release and counting its entries, without loading it."""

from pathlib import Path

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.weight_files import read_json

_WHOLE = "tokenizer.json"
_VOCABULARY = "vocab.json"
_ADDED = "added_tokens.json"
_CONFIG = "tokenizer_config.json"


def find_tokenizer(named: Path | None, source: Path, base: Path | None) -> Path | None:
    """The folder that holds the tokenizer: the named one, else `source`, else `base`.

    Raises:
        CheckpointError: the named folder holds none.
    """
    if named is not None:
        if not _has_tokenizer(named):
            raise CheckpointError(
                f"{named} holds no tokenizer; expected {_WHOLE} or {_VOCABULARY}."
            )
        return named
    for folder in (source, base):
        if folder is not None and _has_tokenizer(folder):
            return folder
    return None


def vocabulary_size(folder: Path) -> int:
    """Entries of the tokenizer in a folder, added ones included: its largest id plus one.

    Raises:
        CheckpointError: its files cannot be read.
    """
    try:
        largest = max(_ids(folder))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the tokenizer files in {folder} are not as expected: {error!r}"
        ) from error
    return largest + 1


def _has_tokenizer(folder: Path) -> bool:
    return (folder / _WHOLE).is_file() or (folder / _VOCABULARY).is_file()


def _ids(folder: Path) -> list[int]:
    if (folder / _WHOLE).is_file():
        whole = read_json(folder / _WHOLE)
        vocabulary = whole["model"]["vocab"]
        # unigram models list pieces; their place is their id
        ids = range(len(vocabulary)) if isinstance(vocabulary, list) else vocabulary.values()
        return [*map(int, ids), *(int(token["id"]) for token in whole.get("added_tokens", []))]
    ids_found = list(map(int, read_json(folder / _VOCABULARY).values()))
    if (folder / _ADDED).is_file():
        ids_found += map(int, read_json(folder / _ADDED).values())
    if (folder / _CONFIG).is_file():
        ids_found += map(int, read_json(folder / _CONFIG).get("added_tokens_decoder", {}))
    return ids_found
