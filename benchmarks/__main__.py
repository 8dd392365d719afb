"""Runs the benchmarks that are named, or all; each prints its own table. What follows one name goes to it: ``registry --quick``."""

import subprocess
import sys
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).parent
ALL = {
    "deployments": HERE / "deployments" / "analysis_errors.py",
    "registry": HERE / "registry" / "__main__.py",
    "serving": HERE / "serving" / "throughput.py",
    "store": HERE / "store" / "__main__.py",
}


def main() -> int:
    asked = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(asked) :]
    unknown = [name for name in asked if name not in ALL]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    if options and len(asked) != 1:
        print(
            f"{options[0]} is of one benchmark; name it before: python -m benchmarks registry --help", file=sys.stderr
        )
        return 2
    commands = [[sys.executable, str(ALL[name]), *options] for name in asked or ALL]
    return max(subprocess.run(command, check=False).returncode for command in commands)


sys.exit(main())
