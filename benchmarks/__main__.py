"""Runs the benchmarks that are named, or all; each prints its own table."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = {
    "deployments": HERE / "deployments" / "analysis_errors.py",
    "registry": HERE / "registry" / "embedded.py",
    "serving": HERE / "serving" / "throughput.py",
    "store": HERE / "store" / "__main__.py",
}


def main() -> int:
    asked = sys.argv[1:] or list(ALL)
    unknown = [name for name in asked if name not in ALL]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    return max(subprocess.run([sys.executable, str(ALL[name])], check=False).returncode for name in asked)


sys.exit(main())
