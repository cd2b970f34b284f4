"""ActionSpec: ranges, fingerprint, mapping and refusal of another robot's meaning."""

import json
import re

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ActionSpecMismatchError, ConfigurationError

positive = st.floats(1e-6, 1e3)
specs = st.builds(
    ActionSpec,
    translation_limit_m=positive,
    rotation_limit_rad=positive,
    rate_hz=positive,
    frame=st.sampled_from(["fr3_link0", "world"]),
    gripper_closed_value=st.sampled_from([0.0, 1.0]),
)


@given(specs)
def test_mapping_survives_json_and_yaml(spec: ActionSpec) -> None:
    mapping = spec.to_mapping()
    for copy in (json.loads(json.dumps(mapping)), yaml.safe_load(yaml.safe_dump(mapping))):
        other = ActionSpec.from_mapping(copy)
        assert other == spec
        assert other.id == spec.id
        spec.check_compatible(other)


def test_id_is_a_golden_value_and_does_not_depend_on_number_types() -> None:
    spec = ActionSpec()
    assert re.fullmatch("[0-9a-f]{12}", spec.id)
    assert spec.id == "6aa20d2a40fd"
    assert ActionSpec(rate_hz=10, gripper_closed_value=1).id == spec.id
    assert ActionSpec(rate_hz=np.float64(10.0)).id == spec.id
    assert ActionSpec(rate_hz=15.0).id != spec.id


def test_low_and_high_are_symmetric() -> None:
    spec = ActionSpec(translation_limit_m=0.02, rotation_limit_rad=0.1)
    np.testing.assert_array_equal(spec.high, [0.02] * 3 + [0.1] * 3 + [1.0])
    np.testing.assert_array_equal(spec.low, [-0.02] * 3 + [-0.1] * 3 + [0.0])


def test_mismatch_lists_only_the_differing_fields_with_both_values() -> None:
    with pytest.raises(ActionSpecMismatchError) as caught:
        ActionSpec().check_compatible(ActionSpec(rate_hz=5.0, frame="world"))
    message = str(caught.value)
    assert "rate_hz (10.0 here, 5.0 there)" in message
    assert "frame ('fr3_link0' here, 'world' there)" in message
    assert "translation_limit_m" not in message


@pytest.mark.parametrize(
    "change",
    [
        {"translation_limit_m": 0.0},
        {"rotation_limit_rad": -0.1},
        {"rate_hz": float("nan")},
        {"rate_hz": float("inf")},
        {"rate_hz": "10"},
        {"rate_hz": True},
        {"frame": ""},
        {"rotation": 3},
        {"gripper_closed_value": 0.5},
    ],
)
def test_unusable_values_are_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(change))):
        ActionSpec(**change)  # type: ignore[arg-type]


def test_incomplete_or_extended_mappings_are_refused() -> None:
    mapping = ActionSpec().to_mapping()
    with pytest.raises(ConfigurationError, match="rate_hz"):
        ActionSpec.from_mapping({k: v for k, v in mapping.items() if k != "rate_hz"})
    with pytest.raises(ConfigurationError, match="colour"):
        ActionSpec.from_mapping({**mapping, "colour": "red"})
    with pytest.raises(ConfigurationError, match="mapping"):
        ActionSpec.from_mapping([1.0])  # type: ignore[arg-type]
