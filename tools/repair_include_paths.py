"""Point the CMake exports of the ROS wheels at this Python; run it with the venv's Python.

The wheels carry the include directories of the machine that built them, for Python and for
numpy. A message package compiled against them would look for headers that are not there.
Safe to run any number of times.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

_WHEEL_BUILDER_PYTHON = re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+")
_ANY_NUMPY = re.compile(r"/[^;\"'\s]*/numpy/(?:_core|core)/include")


def main() -> None:
    """Rewrite `share/*/cmake/*.cmake` of this Python's prefix where it names other folders."""
    repaired = 0
    for path in sorted(Path(sys.prefix).glob("share/*/cmake/*.cmake")):
        before = path.read_text(encoding="utf-8")
        after = _WHEEL_BUILDER_PYTHON.sub(sysconfig.get_path("include"), before)
        after = _ANY_NUMPY.sub(np.get_include(), after)
        if after != before:
            path.write_text(after, encoding="utf-8")
            repaired += 1
    print(f"repaired {repaired} files under {sys.prefix}/share")


if __name__ == "__main__":
    main()
