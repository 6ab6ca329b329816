"""An observation on disk: a folder of Parquet tables and a small JSON manifest.

Plain columns, so that pandas, Polars, DuckDB, Spark and Ray read the tables as they are. The same content gives the
same bytes, and the same fingerprint whichever version of Arrow wrote it.
"""

from simulator.dataset.folder import Dataset, read, write
from simulator.dataset.manifest import DatasetError, Manifest, Table, read_manifest

__all__ = ["Dataset", "DatasetError", "Manifest", "Table", "read", "read_manifest", "write"]
