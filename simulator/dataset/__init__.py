"""An observation on disk: a folder of Parquet tables and a small JSON manifest.

Plain columns, so that pandas, Polars, DuckDB, Spark and Ray read the tables as they are; the events are a folder of
parts, so that a world may stream. The same content gives the same bytes, and the same fingerprint whichever version
of Arrow wrote it and however its rows are cut into parts.
"""

from simulator.dataset.manifest import DatasetError, Manifest, Part, Table, read_manifest
from simulator.dataset.reading import Dataset, Stream, read, scan
from simulator.dataset.writer import DatasetWriter, write

__all__ = [
    "Dataset",
    "DatasetError",
    "DatasetWriter",
    "Manifest",
    "Part",
    "Stream",
    "Table",
    "read",
    "read_manifest",
    "scan",
    "write",
]
