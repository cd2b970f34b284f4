"""Definitions of any origin give types or the declared error, and never a program that grows."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.data.bag_reader import decode_message
from spatialbot_model.data.mcap_file import Channel
from spatialbot_model.data.message_definitions import types_of_definition

RULE = "=" * 80 + "\n"
WORDS = (
    *("int8 ", "uint8", "string", "float32 ", "wstring ", "B ", "B[] ", "a/C ", "x\n", "y", "=1\n"),
    *(
        "X=1e999\n",
        "=",
        "[3] ",
        "[<=2] ",
        "[]",
        "[-1] ",
        "[0] ",
        "<=5 ",
        "# ",
        "\n",
        f"{RULE}MSG: ",
    ),
    *(
        "a/msg/B\n",
        "a/C\n",
        "'",
        '"',
        "struct ",
        "{ ",
        "}; ",
        "module a ",
        "octet ",
        "const ",
        "::",
    ),
    *("_x", "__new__ ", "None", "class\n", "9" * 5000, "\ud800", "é"),
)


def decode(definition: str, data: bytes = b"\0\1\0\0\7", form: str = "ros2msg") -> object:
    return decode_message(Channel("/a", "a/msg/B", form, definition, "cdr"), data, Path("bag"))


def test_a_message_is_decoded_by_its_definition():
    message = decode(
        f"C[2] parts\nstring name\n{RULE}MSG: a/C\nuint8 x\n",
        b"\0\1\0\0\7\x08\0\0" + b"\2\0\0\0a\0",
    )
    assert [part.x for part in message.parts] == [7, 8]
    assert message.name == "a"
    idl = f"{RULE}IDL: a/msg/B\nmodule a {{ module msg {{ struct B {{ octet x; }}; }}; }};\n"
    assert decode(idl, form="ros2idl").x == 7


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        # each element would be lines of a program
        ("string[1000000000] x\n", "more than 2000 fields"),
        (f"C[1000000000] x\n{RULE}MSG: a/C\nint8 y\n", "more than 2000 fields"),
        ("".join(f"string[200] x{k}\n" for k in range(11)), "more than 2000 fields"),
        ("int8[-1] x\n", "-1 elements"),
        ("int8[99999999999999999999] x\n", "9 elements"),
        ("# " + "x" * 2**18 + "\nint8 x\n", "characters"),
        ("float32 X=1e999\n", "NameError"),
        ("int8 X=" + "9" * 5000 + "\n", "ValueError"),
        ("int8 a\nint8 a\n", "conflicting"),
        ("B x\n", "RecursionError"),
        ("D x\n", "KeyError"),
        ("?", "TypesysError"),
    ],
)
def test_a_definition_that_ros_does_not_have_is_refused(definition, message):
    with pytest.raises(RecordingError, match=message) as caught:
        types_of_definition("a/msg/B", "ros2msg", definition)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "definition",
    [
        "",
        RULE + "IDL: ",
        "module a { module msg { struct B { string x[1000000000]; }; }; };",
        "module a { module msg { struct B { octet x[1 << 40]; }; }; };",
        "module a { module msg { struct B { octet __new__; }; }; };",
        "module a { module msg { module B_Constants { const octet __new__ = 5; };"
        " struct B { octet x; }; }; };",
    ],
)
def test_an_interface_that_ros_does_not_have_is_refused(definition):
    with pytest.raises(RecordingError):
        types_of_definition("a/msg/B", "ros2idl", definition)


@pytest.mark.parametrize("form", ["", "omgidl", "protobuf"])
def test_other_formats_are_refused(form):
    with pytest.raises(RecordingError, match="expected 'ros2msg'"):
        types_of_definition("a/msg/B", form, "int8 x\n")


@settings(max_examples=300)
@given(
    parts=st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12),
    form=st.sampled_from(["ros2msg", "ros2idl"]),
    data=st.binary(max_size=20),
)
def test_any_definition_and_any_message_is_decoded_or_refused(parts, form, data):
    try:
        decode("".join(parts), b"\0\1\0\0" + data, form)
    except RecordingError as error:
        assert str(error)


def test_a_defect_of_the_reader_is_not_taken_for_damage(monkeypatch):
    class Types:
        def deserialize_cdr(self, data: bytes, ros_type: str) -> object:
            raise AttributeError("a defect")

    monkeypatch.setattr(
        "spatialbot_model.data.bag_reader.types_of_definition", lambda *definition: Types()
    )
    with pytest.raises(AttributeError, match="a defect"):
        decode("int8 x\n")
