"""One piece of fuzzing in a process of its own, because libFuzzer ends the process it is in.

``python -m spatialbot_ros.benchmarks.fuzzing.process TARGET FOLDER INPUTS SEED``. The corpus, what
libFuzzer has found worth keeping, is in ``FOLDER/corpus`` and grows from piece to piece. An input
that ends in an undeclared error is left in ``FOLDER/defects``, and the exit code is not 0.
"""

import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import atheris

from spatialbot_ros.benchmarks.fuzzing.targets import ACCOUNT_NAME, DEFECTS_NAME, fuzz_entry

_INPUT_TIMEOUT_S = 20
_MEMORY_MB = 2048


def main(arguments: list[str]) -> None:
    """Fuzz; does not return."""
    name, folder, inputs, seed = arguments[0], Path(arguments[1]), int(arguments[2]), arguments[3]
    entry = fuzz_entry(name)
    with atheris.instrument_imports(include=list(entry.watched)):
        target = entry.make(_made(folder / "scratch"))
    corpus = _made(folder / "corpus")
    for number, text in enumerate(target.seeds()):
        (corpus / f"seed{number}").write_bytes(text)
    dictionary = folder / "words.dict"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words()))
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    begun_s = time.monotonic()

    def check(data: bytes) -> None:
        nonlocal slowest_s
        before_s = time.perf_counter()
        outcomes[target.check(data)] += 1
        slowest_s = max(slowest_s, time.perf_counter() - before_s)
        if outcomes.total() == inputs:
            account = {
                "outcomes": dict(outcomes),
                "slowest_ms": round(1e3 * slowest_s, 3),
                "seconds": round(time.monotonic() - begun_s, 3),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
            (folder / ACCOUNT_NAME).write_text(json.dumps(account), encoding="utf-8")
            # an orderly end of Python would meet libFuzzer's alarm clock, without its handler
            os._exit(0)

    options = {
        "seed": seed,
        "max_len": entry.max_bytes,
        "timeout": _INPUT_TIMEOUT_S,
        "rss_limit_mb": _MEMORY_MB,
        "dict": dictionary,
        "artifact_prefix": f"{_made(folder / DEFECTS_NAME)}/",
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)], check
    )
    atheris.Fuzz()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries have it."""
    plain = b" !#$%&'()*+,-./:;<=>?@[]^_`{|}~"
    return "".join(
        chr(c) if (chr(c).isalnum() and c < 128) or c in plain else f"\\x{c:02X}" for c in word
    )


if __name__ == "__main__":
    main(sys.argv[1:])
