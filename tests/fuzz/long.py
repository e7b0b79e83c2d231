"""A long run of one target or of all, guided by coverage: `python -m tests.fuzz.long --seconds 600 [TARGET ...]`, or `make fuzz`. Ends at the first finding."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FunctionType

from numba.core.dispatcher import Dispatcher
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS

READERS = {"flockwise", "tomllib", "json", "csv", "_strptime"}


def fuzz(name: str, seconds: int, seed: int) -> None:
    """Runs one target in this process, which libFuzzer ends."""
    import atheris

    folder = Path(tempfile.mkdtemp(prefix="flockwise-corpus-"))
    (folder / "sound").write_bytes(SEEDS[name])
    words = folder.with_suffix(".dict")
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word[:60]) + '"\n' for word in WORDS))
    # libFuzzer's own limit of time would take the alarm that `bounded` uses.
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        "-timeout=0",
        "-rss_limit_mb=3000",
        f"-max_len={max(20_000, 2 * len(SEEDS[name]))}",
        f"-dict={words}",
        "-verbosity=0",
    ]
    # Only what reads: with every library that is loaded, instrumenting takes minutes. Kernels are compiled from the code that they have.
    loaded = gc.get_objects()
    kernels = {id(thing.py_func) for thing in loaded if isinstance(thing, Dispatcher)}
    for function in loaded:
        if isinstance(function, FunctionType) and id(function) not in kernels and str(function.__module__).split(".")[0] in READERS:
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *options, str(folder)], lambda content: TARGETS[name](content) and None)
    atheris.Fuzz()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *sorted(TARGETS)], default=[], help="which; all by default")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        fuzz(asked.targets[0], asked.seconds, asked.seed)
        return 0
    for name in asked.targets or sorted(TARGETS):
        own = [sys.executable, "-m", "tests.fuzz.long", name, "--here", "--seconds", str(asked.seconds), "--seed", str(asked.seed)]
        print(name, flush=True)
        if done := subprocess.run(own, check=False).returncode:
            return done
    return 0


if __name__ == "__main__":
    sys.exit(main())
