"""Write docs/licences.md: the licence of every package of constraints.txt, as its own metadata says.

    python .ci/licences.py

In the environment of `make install`. What is pinned and not installed (the extras `gs` and `azure`) is looked up by
pip, which needs the network.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEADER = """\
# Licences of the dependencies

trajprobe itself is under the Apache License 2.0. These are all packages of constraints.txt, those for tests included;
the licences are those that the packages name in their metadata. `python .ci/licences.py` writes this page.

DVC brings the two under the GPL without a choice: grandalf, with which `dvc dag` draws, and pygit2, which has a linking
exception. trajprobe imports neither. "not told": pip does not read the newer form of the metadata of packages that are
not installed; look at their pages on the package index.

"""


def pinned() -> list[dict[str, Any]]:
    """The metadata of every pinned package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found, missing = list[dict[str, Any]](), list[str]()
    for pin in [line for line in lines if line and not line.startswith("#")]:
        try:
            found.append(distribution(pin.partition("==")[0]).metadata.json)
        except PackageNotFoundError:
            missing.append(pin)
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            options = ["--dry-run", "--no-deps", "-q", "--report", str(report)]
            subprocess.run([sys.executable, "-m", "pip", "install", *options, *missing], check=True)
            found += [each["metadata"] for each in json.loads(report.read_text())["install"]]
    return found


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
    return lines[0][:60] if lines else "not told"


def main() -> None:
    groups = defaultdict[str, list[str]](list)
    for metadata in pinned():
        groups[re.sub(r"\s+", " ", licence(metadata))].append(f"{metadata['name']} {metadata['version']}")
    rows = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    lines = [f"| {name} | {', '.join(sorted(packages, key=str.lower))} |" for name, packages in rows]
    table = "\n".join(["| licence | packages |", "| --- | --- |", *lines])
    (ROOT / "docs/licences.md").write_text(f"{HEADER}{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
