"""Records: what every telemetry file holds, and how it is written and found."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from prism.errors import UsageError
from prism.files import write_text

KINDS: Final = {
    "damage": "pointers that cross a tile, cycle by cycle",
    "host_performance": "wall time of repeated runs",
    "memory_stability": "memory after each of repeated runs",
    "trace": "where a profiled run spent its time",
}
"""What a record may be about; the key is its `kind` field."""

Record = Mapping[str, Any]


def host() -> dict[str, Any]:
    """Describe the machine and interpreter that made a record."""
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "argv": sys.argv[1:],
    }


def write(path: Path, record: Record) -> None:
    """Write one record as JSON, atomically."""
    write_text(path, json.dumps(record, indent=1) + "\n")


def read(path: Path) -> Record:
    """Read one record; UsageError when the file is not one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: a telemetry record must be a readable JSON file, but: {error}") from error
    if not isinstance(value, dict) or value.get("kind") not in KINDS:
        raise UsageError(
            f"{path}: a telemetry record must be a JSON object whose `kind` is one of {', '.join(KINDS)}; "
            "write it with `prism telemetry` or `prism run --telemetry`"
        )
    return value


def find(base: Path, kinds: frozenset[str]) -> Iterator[tuple[Path, Record]]:
    """Yield every record of the given kinds under `base`, sorted by path.

    JSON files that are not records are passed over, since report folders hold other JSON as well; a `base` that is
    no folder is a UsageError.
    """
    if not base.is_dir():
        raise UsageError(f"{base}: the folder of records must exist; record something first or name another --base")
    for path in sorted(base.rglob("*.json")):
        try:
            record = read(path)
        except UsageError:
            continue
        if record["kind"] in kinds:
            yield path, record
