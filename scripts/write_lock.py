"""Convert the report of `pip install --dry-run --report` to a file for `pip install --require-hashes`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEADER = """\
# The exact versions that CI installs, each with the sha256 of the one file that was resolved. Written by scripts/lock.
# for: CPython {python_version}, {platform}
"""


def main(report_path: str, lock_path: str) -> None:
    """Write every package of the report except the project itself, sorted by name."""
    report = json.loads(Path(report_path).read_text())
    environment = report["environment"]
    header = HEADER.format(
        python_version=environment["python_version"],
        platform=f"{environment['sys_platform']} {environment['platform_machine']}",
    )
    entries = sorted(entry(package) for package in report["install"] if "archive_info" in package["download_info"])
    Path(lock_path).write_text(header + "".join(entries))
    print(f"{lock_path}: {len(entries)} packages")


def entry(package: dict[str, Any]) -> str:
    """Return one requirement with its hash."""
    metadata = package["metadata"]
    digest = package["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{metadata['name'].lower()}=={metadata['version']} \\\n    --hash=sha256:{digest}\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
