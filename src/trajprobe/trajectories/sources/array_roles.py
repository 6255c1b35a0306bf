"""Which array of an archive is which: by the card, by name, or by shape and type where only one fits."""

from collections.abc import Mapping
from typing import Any

from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.trajectories.sources.npy_file import Header

# Names in any case. Those of the paths and labels count only if the shape fits.
PATHS = (
    "trajectories", "trajectory", "trajectories_3d", "trajectory_3d", "trajectories_2d", "trajectory_2d",
    "positions", "points", "coords", "coordinates", "paths", "x", "data",
)  # fmt: skip
LABELS = ("labels", "label", "y", "targets", "target", "classes", "class", "class_ids")
OTHERS = {
    "class_names": ("class_names", "label_names", "target_names", "classes"),
    "ids": ("ids", "item_ids"),
    "groups": ("groups", "subjects"),
    "splits": ("splits",),
    "times": ("times", "time", "t", "timestamps"),
    "lengths": ("lengths", "seq_lengths"),
}


def find_arrays(
    headers: Mapping[str, Header], given: Mapping[Any, str], where: str, labels_needed: bool
) -> tuple[dict[str, str], list[str]]:
    """Our name of an array -> its name in the file, and notes.

    given: the names that the card gives. Raises UserError if the paths or labels are not found or several fit.
    """
    for ours, theirs in given.items():
        if theirs not in headers:
            raise UserError(f"{where}: needs an array {theirs!r} ({ours}); {nearest(theirs, list(headers))}")
    roles: dict[str, str] = dict(given)
    if "lengths" not in roles:
        roles |= _by_name("lengths", headers, roles)
    if "points" not in roles:
        exact: list[str] = ["trajectories"] if "trajectories" in headers else []
        if not exact and "points" in headers and "lengths" in roles:
            exact = ["points"]
        fitting = [name for name in headers if name not in roles.values() and _can_be_paths(headers[name])]
        named = [name for name in headers if name.casefold() in PATHS and name not in roles.values()]
        named = [name for name in named if name in fitting or headers[name][2].kind == "O"]
        candidates = exact or named or fitting
        if len(candidates) > 1:
            raise UserError(
                f"{where}: {_shown(candidates, headers)} can be the paths; choose by --array points={candidates[0]}"
            )
        if not candidates:
            raise UserError(
                f"{where}: needs an array trajectories or points and lengths; found "
                f"{_shown(sorted(headers), headers)}; "
                "name it by --array points=NAME"
            )
        roles["points"] = candidates[0]
    count = headers[roles.get("lengths", roles["points"])][0][:1]
    for ours in ("times", "ids", "groups", "splits"):
        if ours not in roles:
            roles |= _by_name(ours, headers, roles)
    if "labels" not in roles and labels_needed:
        roles["labels"] = _find_labels(headers, roles, count, where)
    if "class_names" not in roles and "labels" in roles:
        text = {name: header for name, header in headers.items() if header[2].kind in "USO"}
        roles |= _by_name("class_names", text, roles)
    notes = [f"{ours} is {theirs}" for ours, theirs in roles.items() if theirs not in (ours, "trajectories")]
    unused = [name for name in headers if name not in roles.values()]
    return roles, [
        *([f"arrays: {'; '.join(notes)}"] if notes else []),
        *([f"arrays: not used: {', '.join(unused)}"] if unused else []),
    ]


def _by_name(ours: str, headers: Mapping[str, Header], roles: Mapping[str, str]) -> dict[str, str]:
    for alias in OTHERS[ours]:
        for name in headers:
            if name.casefold() == alias and name not in roles.values():
                return {ours: name}
    return {}


def _can_be_paths(header: Header) -> bool:
    shape, _, dtype = header
    if dtype.kind not in "iuf":
        return False
    return (len(shape) == 3 and bool({2, 3} & set(shape[1:]))) or (len(shape) == 4 and shape[3] in (2, 3))


def _find_labels(
    headers: Mapping[str, Header], roles: Mapping[str, str], count: tuple[int, ...], where: str
) -> str:
    if "labels" in headers:
        return "labels"
    fitting = [
        name
        for name, (shape, _, dtype) in headers.items()
        if name not in roles.values() and shape[:1] == count and (len(shape) == 1 or (len(shape) == 2 and shape[1] > 1))
        and dtype.kind in "biufUSO"
    ]  # fmt: skip
    named = [name for name in fitting if name.casefold() in LABELS]
    candidates = named or [
        name for name in fitting if len(headers[name][0]) == 1 and headers[name][2].kind in "iuUS"
    ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise UserError(
            f"{where}: {_shown(candidates, headers)} can be the labels; choose by --array labels={candidates[0]}"
        )
    raise UserError(
        f"{where}: needs an array labels; found {_shown(sorted(headers), headers)}; name it by --array labels=NAME, or "
        "give a second file by --labels FILE"
    )


def _shown(names: list[str], headers: Mapping[str, Header]) -> str:
    return ", ".join(f"{name} {headers[name][0]}" for name in names) or "nothing"
