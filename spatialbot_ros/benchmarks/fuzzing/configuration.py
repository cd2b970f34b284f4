"""Configuration files that a person edited."""

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.benchmarks.fuzzing.targets import ACCEPTED, FuzzTarget
from spatialbot_ros.configuration import load_action_spec, load_cell, load_safety_limits
from spatialbot_ros.safety_limits import HARD_LIMITS

_NAMES = ("cell", "action_spec", "safety")


class ConfigurationTarget(FuzzTarget):
    """The first byte tells which file it is; no accepted limit lies beyond the hard ones."""

    def seeds(self) -> list[bytes]:
        seeds = []
        for index, name in enumerate(_NAMES):
            text = find_resource(f"config/{name}.yaml").read_text(encoding="utf-8")
            lines = (line.split("#")[0].rstrip() for line in text.splitlines())
            content = "\n".join(line for line in lines if line)
            seeds.append(bytes([index]) + content.encode())
        return seeds

    def words(self) -> list[bytes]:
        return [b".inf", b".nan", b"null", b"!!int ", b"&a ", b"*a", b"- ", b"1e308", b"0x", b"~"]

    def check(self, data: bytes) -> str:
        path = self.put("config.yaml", data[1:])
        which = data[0] % len(_NAMES) if data else 0
        try:
            if which == 0:
                load_cell(str(path))
            elif which == 1:
                load_action_spec(str(path))
            else:
                limits = load_safety_limits(str(path))
                for name, (low, high) in HARD_LIMITS.items():
                    assert low <= getattr(limits, name) <= high
        except ConfigurationError:
            return ConfigurationError.__name__
        return ACCEPTED
