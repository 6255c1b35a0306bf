"""Run a trajprobe command and write down which of our modules it imported and which files Python opened.

Usage: python audited.py REPORT.json COMMAND [ARGUMENTS]
"""

import json
import os
import sys

report, *arguments = sys.argv[1:]
read: set[str] = set()
written: set[str] = set()


def hook(event: str, details: tuple) -> None:
    if event == "open" and isinstance(details[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(details[0]))  # noqa: PTH100
        flags = details[2] if isinstance(details[2], int) else 0
        (written if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else read).add(path)


sys.addaudithook(hook)
sys.argv = ["trajprobe", *arguments]
code: object = 0
try:
    from trajprobe.cli import main

    main()
except SystemExit as end:
    code = end.code
modules = sorted(name for name in sys.modules if name.split(".")[0] == "trajprobe")
with open(report, "w") as file:  # noqa: PTH123 - before pathlib could open more files
    json.dump({"modules": modules, "read": sorted(read), "written": sorted(written)}, file)
sys.exit(code)  # type: ignore[arg-type]
