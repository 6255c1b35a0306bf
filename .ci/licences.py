"""Write docs/licences.md: the licence of every package that an installation brings, as its own metadata says.

    python .ci/licences.py

Needs the network, once: what the extras bring is found by pip without installing it.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXTRAS = "hub,series,tracking,s3,ssh,gs,azure"
HEADER = f"""\
# Licences of the dependencies

trajprobe itself is under the Apache License 2.0. These packages come with it and its extras ({EXTRAS}), in
the versions of constraints.txt; the licences are those that the packages name in their metadata.
`python .ci/licences.py` writes this page.

"""


def installed() -> list[dict[str, Any]]:
    """The metadata of every package that an installation into an empty environment would bring."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        options = ["--dry-run", "--ignore-installed", "-q", "--report", str(report), "-c", "constraints.txt"]
        command = [sys.executable, "-m", "pip", "install", *options, "-e", f".[{EXTRAS}]"]
        subprocess.run(command, cwd=ROOT, check=True)
        return [each["metadata"] for each in json.loads(report.read_text())["install"]]


def licence(metadata: dict[str, Any]) -> str:
    """The expression if there is one, else the classifiers, else the first line of the text."""
    if expression := metadata.get("license_expression"):
        return str(expression)
    classified = [
        each.rpartition(" :: ")[2] for each in metadata.get("classifier", []) if each.startswith("License")
    ]
    if named := [each for each in classified if each != "OSI Approved"]:
        return " / ".join(named)
    lines = (metadata.get("license") or "").strip().splitlines()
    return lines[0][:60] if lines else "not named"


def main() -> None:
    groups = defaultdict[str, list[str]](list)
    for metadata in installed():
        if metadata["name"] != "trajprobe":
            groups[re.sub(r"\s+", " ", licence(metadata))].append(f"{metadata['name']} {metadata['version']}")
    rows = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    lines = [f"| {name} | {', '.join(sorted(packages, key=str.lower))} |" for name, packages in rows]
    table = "\n".join(["| licence | packages |", "| --- | --- |", *lines])
    (ROOT / "docs/licences.md").write_text(f"{HEADER}{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
