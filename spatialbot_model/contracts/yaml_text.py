"""Reads YAML of unknown origin: plain values only, bounded, one kind of error.

libyaml's parser, which PyYAML's wheels carry, is eight times as fast as the Python one, but
follows nested collections until the process dies. So the events are looked at first, which
costs a quarter of the reading: how deep they nest, and how many values aliases make of them.
"""

from typing import Any

import yaml

MAX_DEPTH = 64
"""Collections within collections."""

MAX_VALUES = 100_000
"""Values of a document, those that aliases repeat included; a long text counts as several."""

MAX_NUMBER_CHARS = 1000
"""Python cannot write down integers of 4300 digits again, not even in an error's text."""

_CHARS_PER_VALUE = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# the constructors hand on what Python raises: the 13th month is a ValueError (so are bytes that
# are no UTF-8), `!!bool maybe` a KeyError, `!!int ''` an IndexError, `!!timestamp soon` an
# AttributeError
_OTHER_ERRORS = (ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError)


def parse_yaml(text: str | bytes) -> Any:
    """The one document of a YAML text; None when it is empty.

    Raises:
        yaml.YAMLError: not YAML, a value that its tag does not allow, more than one document,
            nested deeper than `MAX_DEPTH`, more than `MAX_VALUES` values, or a number of more than
            `MAX_NUMBER_CHARS` characters.
    """
    try:
        _check_size(text)
        loader = _LOADER(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except _OTHER_ERRORS as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from error


def _check_size(text: str | bytes) -> None:
    # values below each open collection, the document being the first; of each anchor that is closed
    open_sizes, open_anchors = [0], [""]
    sizes: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in open_anchors:
                raise yaml.YAMLError(f"the alias *{event.anchor} stands within what it names")
            open_sizes[-1] += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_sizes.append(1)
            open_anchors.append(event.anchor or "")
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = open_sizes.pop(), open_anchors.pop()
            sizes[anchor] = size
            open_sizes[-1] += size
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > MAX_NUMBER_CHARS and _may_be_a_number(event):
                raise yaml.YAMLError(f"it holds a number of {len(event.value)} characters")
            size = 1 + len(event.value) // _CHARS_PER_VALUE
            sizes[event.anchor or ""] = size
            open_sizes[-1] += size
        if len(open_sizes) > MAX_DEPTH + 1:
            raise yaml.YAMLError(f"it is nested deeper than {MAX_DEPTH} collections")
        if sum(open_sizes) > MAX_VALUES:
            raise yaml.YAMLError(f"it holds more than {MAX_VALUES} values")


def _may_be_a_number(event: yaml.ScalarEvent) -> bool:
    plain = event.implicit[0] and event.value[0] in "+-.0123456789"
    return plain or str(event.tag).endswith((":int", ":float"))
