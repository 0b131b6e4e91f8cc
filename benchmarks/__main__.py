"""All benchmarks, one after the other, each in a process of its own: `make bench`.

    python -m benchmarks [--quick] [--folder build/bench] [NAME ...]

Writes the tables as NAME.md and NAME.json into the folder. An answer that is wrong ends it, with an error.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

RUNS = {
    "layers": ["layers"],
    "layers_bfloat16": ["layers", "--dtype", "bfloat16"],
    "cells": ["cells"],
    "sampling": ["sampling"],
    "stepping": ["stepping"],
    "training_steps": ["training_steps"],
    "recording": ["recording"],
    "busy": ["busy"],
    "memory": ["memory"],
    "gist": ["gist"],
}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    made.add_argument("--quick", action="store_true", help="tiny sizes, one round: to see that it works")
    made.add_argument("--folder", type=Path, default=Path("build", "bench"))
    options = made.parse_args()
    if unknown := set(options.names) - set(RUNS):
        made.error(f"there is no benchmark {', '.join(sorted(unknown))}: {', '.join(RUNS)}")
    for name in options.names or RUNS:
        module, *words = RUNS[name]
        files = ["--json", options.folder / f"{name}.json", "--markdown", options.folder / f"{name}.md"]
        words += ["--quick"] if options.quick else []
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *words, *files], check=False)
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
