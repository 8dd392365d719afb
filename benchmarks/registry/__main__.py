"""Starts the benchmark, as a module (``python -m benchmarks.registry``) or by its path."""

import sys
from pathlib import Path

if not __package__:  # by path: this folder must not be one that others import from
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.registry.run import main

sys.exit(main())
