"""Figures that others published, kept apart from what was measured here.

Table II is that of the paper (arXiv 2406.13642). Of its Table I no machine-readable copy was at
hand, so no figure of it is given here; `read_quoted` takes them from a file.
"""

from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json

PAPER = "SpatialBot, arXiv 2406.13642"


@dataclass(frozen=True, slots=True)
class Quoted:
    """One row of somebody's table.

    Attributes:
        name: of the model as the source calls it.
        figures: percent or points by column; what the source leaves out is left out.
        source: where it was read.
    """

    name: str
    figures: dict[str, str]
    source: str


_COLUMNS = (
    *("mme_perception", "mme_cognition", "mmbench_test", "mmbench_dev"),
    *("seed", "vqav2", "gqa", "pope"),
)
_ROWS = {
    "Bunny-Phi2-3B": "1472/1474 286/285 67.90 68.90 69.91 78.98 61.52 86.21",
    "SpatialBot-Phi2-3B": "1483/1487 310/312 70.12 68.56 70.85 79.80 62.28 87.04",
    "Bunny-Phi3-4B": "1417/1364 308/319 70.15 70.74 71.04 80.57 61.18 84.60",
    "SpatialBot-Phi3-4B": "1431/1433 337/329 73.49 73.11 71.64 80.01 62.16 85.47",
    "Bunny-QWen1.5-4B": "1340/1364 251/254 69.56 68.56 70.05 80.63 61.55 85.10",
    "SpatialBot-QWen1.5-4B": "1378/1406 266/285 70.91 69.67 70.36 79.69 62.77 86.09",
    "Bunny-Llama3-8B": "1574/1542 342/318 73.67 74.15 72.32 80.50 62.18 85.22",
    "SpatialBot-Llama3-8B": "1577/1576 352/333 75.78 74.83 72.40 80.94 62.90 85.33",
}

TABLE_II = tuple(
    Quoted(name, dict(zip(_COLUMNS, row.split(), strict=True)), f"{PAPER}, Table II")
    for name, row in _ROWS.items()
)
"""MME as RGB/RGB-D; its GQA column gives one figure."""


def read_quoted(path: Path) -> list[Quoted]:
    """Rows from a JSON list of ``{name, source, figures: {column: figure}}``.

    Raises:
        ConfigurationError: not such a list.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise ConfigurationError(f"{path} is no list of quoted rows")
    quoted = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("figures"), dict):
            raise ConfigurationError(
                f"{path}, row {number}: expected an object with name, source and figures"
            )
        if not row.get("name") or not row.get("source"):
            raise ConfigurationError(f"{path}, row {number}: a quoted row needs name and source")
        figures = {str(column): str(value) for column, value in row["figures"].items()}
        quoted.append(Quoted(str(row["name"]), figures, str(row["source"])))
    return quoted
