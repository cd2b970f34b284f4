"""YAML of unknown origin: plain values or one kind of error, bounded in depth and size."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.yaml_text import MAX_DEPTH, MAX_VALUES, parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_plain_values_come_back(value):
    assert parse_yaml(yaml.safe_dump(value)) == value


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_is_read_or_refused_as_no_yaml(text):
    try:
        parse_yaml(text)
    except yaml.YAMLError as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        "a: 2026-13-45",
        "a: !!bool maybe",
        "a: !!timestamp soon",
        "a: !!int ''",
        "a: " + "9" * 5000,
        "a: 0x" + "f" * 5000,
        "a: !!int '0x" + "f" * 5000 + "'",
        "a: !!python/object/apply:os.system [ls]",
        "a: 1\n---\nb: 2",
        b"a: \xff\xfe",
        "a: *nobody",
        "? [a]\n: 1",
    ],
)
def test_what_is_no_plain_document_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


# libyaml itself would follow these until the process dies
@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening):
    with pytest.raises(yaml.YAMLError, match="nested deeper"):
        parse_yaml(opening * 50_000)
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    with pytest.raises(yaml.YAMLError, match="nested deeper"):
        parse_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_aliases_count_as_what_they_repeat():
    assert parse_yaml("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}
    laughs = "a0: &a0 [lol, lol]\n" + "".join(
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 8)
    )
    with pytest.raises(yaml.YAMLError, match="more than"):
        parse_yaml(laughs)
    with pytest.raises(yaml.YAMLError, match="more than"):
        parse_yaml(f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 1000)}]")
    with pytest.raises(yaml.YAMLError, match="within what it names"):
        parse_yaml("a: &a [*a]")


def test_long_documents_are_refused_not_cut():
    assert len(parse_yaml("- 1\n" * (MAX_VALUES // 2))) == MAX_VALUES // 2
    with pytest.raises(yaml.YAMLError, match="more than"):
        parse_yaml("- 1\n" * (MAX_VALUES + 1))
