"""What reading YAML may raise beside `yaml.YAMLError`."""

YAML_VALUE_ERRORS = (
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    OverflowError,
    RecursionError,
)
"""`yaml.safe_load` hands on what its constructors and Python raise: the 13th month is a ValueError
(so are bytes that are no UTF-8 and integers of thousands of digits), ``!!bool maybe`` a KeyError,
``!!timestamp soon`` an AttributeError, a thousand brackets a RecursionError."""
