"""Which array of an archive is which: by the card, by name, or by shape and type where only one fits."""

from collections.abc import Mapping
from typing import Any

from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.videos.clip_array import axis_order
from trajprobe.videos.npy_stream import Header

# Names in any case. Those of the paths and labels count only if the shape fits.
PATHS = (
    "trajectories", "trajectory", "trajectories_3d", "trajectory_3d", "trajectories_2d", "trajectory_2d",
    "positions", "points", "coords", "coordinates", "paths", "x", "data",
)  # fmt: skip
VIDEOS = ("videos", "video", "clips", "clip", "frames", "movies")
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
    headers: Mapping[str, Header],
    given: Mapping[Any, str],
    where: str,
    labels_needed: bool,
    clips: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Our name of an array -> its name in the file, and notes.

    given: the names that the card gives. clips: look for ready-made clips, with which paths are optional. Raises
    UserError if the paths (or clips) or labels are not found or several fit.
    """
    for ours, theirs in given.items():
        if theirs not in headers:
            raise UserError(f"{where}: needs an array {theirs!r} ({ours}); {nearest(theirs, list(headers))}")
    roles: dict[str, str] = dict(given)
    if not clips:
        roles.pop("videos", None)
    elif "videos" not in roles:
        roles |= _find_videos(headers, roles, where)
    if "lengths" not in roles:
        roles |= _by_name("lengths", headers, roles)
    if "points" not in roles:
        exact: list[str] = ["trajectories"] if "trajectories" in headers else []
        if not exact and "points" in headers and "lengths" in roles:
            exact = ["points"]
        fitting = [name for name in headers if name not in roles.values() and _can_be_paths(headers[name])]
        named = [name for name in headers if name.casefold() in PATHS and name not in roles.values()]
        named = [name for name in named if name in fitting or headers[name][2].kind == "O"]
        # Beside clips, numbers of a shape that fits may be anything.
        candidates = exact or named or ([] if "videos" in roles else fitting)
        if len(candidates) > 1:
            raise UserError(
                f"{where}: {_shown(candidates, headers)} can be the paths; choose by --array points={candidates[0]}"
            )
        if not candidates and "videos" not in roles:
            raise UserError(
                f"{where}: needs an array trajectories or points and lengths; found "
                f"{_shown(sorted(headers), headers)}; "
                "name it by --array points=NAME, or clips by --array videos=NAME"
            )
        roles |= {"points": candidates[0]} if candidates else {}
    counted = next(name for name in ("lengths", "points", "videos") if name in roles)
    count = headers[roles[counted]][0][:1]
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


def _find_videos(headers: Mapping[str, Header], roles: Mapping[str, str], where: str) -> dict[str, str]:
    """The array of clips: one of those names, or else the only one of five axes that fits; none if there is none."""
    free = [name for name in headers if name not in roles.values()]
    named = [name for name in free if name.casefold() in VIDEOS and len(headers[name][0]) > 3]
    candidates = named or [name for name in free if _can_be_clips(headers[name])]
    if len(candidates) > 1:
        raise UserError(
            f"{where}: {_shown(candidates, headers)} can be the clips; choose by --array videos={candidates[0]}, or "
            "draw the paths by --draw"
        )
    return {"videos": candidates[0]} if candidates else {}


def _can_be_clips(header: Header) -> bool:
    shape, _, dtype = header
    try:
        return dtype.kind in "uf" and len(shape) == 5 and bool(axis_order(shape))
    except ValueError:
        return False


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
