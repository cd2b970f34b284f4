"""What no file of this repository does, and that no parameter of a node is without bounds.

The sources are read, not run: no object is made from a file's bytes, no text becomes code, no
file becomes a command line, nothing listens to other machines by default.
"""

import ast
import dataclasses
import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    *("spatialbot_model", "spatialbot_ros", "spatialbot_sim", "launch"),
    *("tools", "examples", "datasets"),
)
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"),
    *("telnetlib", "ftplib", "xmlrpc", "imp", "commands"),
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "os.execvp", "tempfile.mktemp", "yaml.load", "yaml.full_load"),
    *("yaml.unsafe_load", "yaml.load_all", "yaml.full_load_all", "yaml.unsafe_load_all"),
    *("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *("pandas.read_pickle", "ssl._create_unverified_context"),
    *("tarfile.open", "shutil.unpack_archive", "zipfile.ZipFile.extractall"),
}
# by file, and why
ALLOWED_IMPORTS = {
    # only the class of the error that torch's restricted reader raises
    "spatialbot_model/modeling/weight_files.py": {"pickle.UnpicklingError"},
    "spatialbot_model/modeling/efficientnet.py": {"pickle.UnpicklingError"},
}


@dataclass(frozen=True)
class Found:
    """One thing that must not be."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    """The name that is called, with the real names of imported modules."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(aliases.get(node.id, node.id))
    return ".".join(reversed(parts))


def imported_names(tree: ast.AST) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Local name -> real name, and every import by line."""
    aliases: dict[str, str] = {}
    imports: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name if alias.asname else alias.name.split(".")[0]
                aliases[alias.asname or top] = top
                imports.append((node.lineno, alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                imports.append((node.lineno, f"{node.module}.{alias.name}"))
    return aliases, imports


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def offences(source: str, path: str) -> Iterator[Found]:
    """Everything in a source text that the rules forbid."""
    tree = ast.parse(source)
    aliases, imports = imported_names(tree)
    uses = {dotted(node, aliases) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    allowed = ALLOWED_IMPORTS.get(path, set())
    for line, name in imports:
        top = name.split(".")[0]
        if top not in FORBIDDEN_MODULES:
            continue
        used = {use for use in {*uses, name} if use.startswith(f"{top}.")} or {name}
        if not used <= allowed:
            yield Found(path, line, f"imports {name}")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func, aliases)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in FORBIDDEN_CALLS or name.split(".")[0] in FORBIDDEN_MODULES:
            yield Found(path, node.lineno, f"calls {name}")
        if name == "torch.load" and not is_constant(keywords.get("weights_only"), True):
            yield Found(path, node.lineno, "torch.load without weights_only=True")
        if name == "numpy.load" and not is_constant(keywords.get("allow_pickle"), False):
            yield Found(path, node.lineno, "numpy.load without allow_pickle=False")
        if "trust_remote_code" in keywords and not is_constant(
            keywords["trust_remote_code"], False
        ):
            yield Found(path, node.lineno, "trust_remote_code")
        if "shell" in keywords and not is_constant(keywords["shell"], False):
            yield Found(path, node.lineno, "a command line through a shell")
        if "extractall" in name:
            yield Found(path, node.lineno, "unpacks an archive wherever it says")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in ("0.0.0.0", "::"):
            yield Found(path, node.lineno, f"names the address of all interfaces {node.value!r}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_turns_data_into_code(folder: str) -> None:
    found = [
        str(offence)
        for path in SOURCES
        if path.is_relative_to(ROOT / folder)
        for offence in offences(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import pickle", "imports pickle"),
        ("from pickle import loads as parse\nparse(b'')", "calls pickle.loads"),
        ("def f():\n    import dill", "imports dill"),
        ("eval('1')", "calls eval"),
        ("import yaml as y\ny.load(f)", "calls yaml.load"),
        ("from yaml import unsafe_load\nunsafe_load(f)", "calls yaml.unsafe_load"),
        ("import torch\ntorch.load(p)", "weights_only"),
        ("import torch\ntorch.load(p, weights_only=False)", "weights_only"),
        ("import numpy as np\nnp.load(p)", "allow_pickle"),
        ("import numpy as np\nnp.load(p, allow_pickle=True)", "allow_pickle"),
        ("import subprocess\nsubprocess.run(c, shell=True)", "shell"),
        ("AutoModel.from_pretrained(n, trust_remote_code=True)", "trust_remote_code"),
        ("socket.bind(('0.0.0.0', 1))", "all interfaces"),
        ("archive.extractall(p)", "unpacks"),
    ],
)
def test_the_reader_sees_offences(source: str, says: str) -> None:
    assert any(says in str(found) for found in offences(source, "x.py"))


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "import re\nre.compile('x')",
        "import yaml\nyaml.safe_load(f)",
        "import torch\ntorch.load(p, map_location='cpu', weights_only=True)",
        "import numpy as np\nnp.load(p, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['ls'], check=True)",
    ],
)
def test_the_reader_lets_ordinary_code_be(source: str) -> None:
    assert not list(offences(source, "x.py"))


PARAMETER_TYPES = [
    (path.stem, node.name)
    for path in sorted((ROOT / "spatialbot_ros/nodes").glob("*.py"))
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef) and node.name.endswith("Parameters")
]


def test_the_parameters_of_all_nodes_are_found() -> None:
    found = {module for module, _ in PARAMETER_TYPES}
    assert {"executor", "camera_parameters", "vla_parameters", "recorder_parameters"} <= found


@pytest.mark.parametrize(("module", "name"), PARAMETER_TYPES)
def test_every_number_has_a_range_and_every_parameter_a_text(module: str, name: str) -> None:
    pytest.importorskip("rclpy")
    parameters = getattr(importlib.import_module(f"spatialbot_ros.nodes.{module}"), name)
    for field in dataclasses.fields(parameters):
        metadata = field.metadata
        assert len(metadata["description"]) > 5, field.name
        default = field.default
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        low, high = metadata["low"], metadata["high"]
        assert low is not None and high is not None, f"{field.name} has no range"
        assert math.isfinite(low) and math.isfinite(high), field.name
        assert low <= default <= high, field.name
