"""Files in the layouts of tracking programs, written from known paths. Each reader says where
its layout is published."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Paths = Mapping[str, np.ndarray]  # track -> (P, 2|3)

SPOTS = """\
LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,VISIBILITY,MANUAL_SPOT_COLOR
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility,Manual spot color
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility,Spot color
,,,(quality),({space}),({space}),({space}),({time}),,({space}),,
"""
SCORER = "DLC_resnet50_openfieldAug20shuffle1_30000"


def walk(count: int, dimensions: int = 2, seed: int = 0) -> np.ndarray:
    return np.round(
        100 + np.cumsum(np.random.default_rng(seed).standard_normal((count, dimensions)), axis=0), 3
    )


def spots(
    path: Path, tracks: Paths, interval: float = 0.5, time: str = "sec", space: str = "micron", stray: int = 0
) -> Path:
    """TrackMate's table of spots: by frame, not by track, with `stray` spots in no track."""
    rows = [(frame, track, point) for track, points in tracks.items() for frame, point in enumerate(points)]
    rows += [(frame, "", np.zeros(2)) for frame in range(stray)]
    lines = []
    for number, (frame, track, point) in enumerate(sorted(rows, key=lambda row: row[0])):
        x, y, z = (*point.tolist(), 0.0)[:3]
        lines.append(f"ID{number},{number},{track},8.1,{x},{y},{z},{frame * interval},{frame},5.0,1,\n")
    path.write_text(SPOTS.format(space=space, time=time) + "".join(lines))
    return path


def tracks_xml(path: Path, tracks: Sequence[np.ndarray], interval: float = 0.5, time: str = "sec") -> Path:
    body = "".join(
        f'  <particle nSpots="{len(points)}">\n'
        + "".join(
            f'    <detection t="{frame}" x="{x}" y="{y}" z="0.0" />\n'
            for frame, (x, y) in enumerate(points.tolist())
        )
        + "  </particle>\n"
        for points in tracks
    )
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Tracks nTracks="{len(tracks)}" spaceUnits="micron" '
        f'frameInterval="{interval}" timeUnits="{time}" generationDateTime="Tue, 16 Apr 2024 18:36:11" '
        f'from="TrackMate v7.12.2">\n{body}</Tracks>\n'
    )
    return path


def poses(
    path: Path, animals: Mapping[str, Paths], likelihood: Mapping[str, np.ndarray] | None = None
) -> Path:
    """DeepLabCut's table; one animal called "" gives the three header rows of single-animal projects."""
    columns = [(animal, part) for animal, parts in animals.items() for part in parts for _ in range(3)]
    levels = [["scorer"] + [SCORER] * len(columns)]
    if "" not in animals:
        levels.append(["individuals"] + [animal for animal, _ in columns])
    levels.append(["bodyparts"] + [part for _, part in columns])
    levels.append(["coords"] + ["x", "y", "likelihood"] * (len(columns) // 3))
    length = max(len(points) for parts in animals.values() for points in parts.values())
    for frame in range(length):
        row = [str(frame)]
        for parts in animals.values():
            for part, points in parts.items():
                certain = 0.99 if likelihood is None or part not in likelihood else likelihood[part][frame]
                gone = frame >= len(points) or np.isnan(points[frame]).any()
                row += ["", "", ""] if gone else [*map(repr, points[frame].tolist()), repr(float(certain))]
        levels.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in levels) + "\n")
    return path


def analysis_h5(path: Path, tracks: Mapping[str, Paths], scores: float = 0.9) -> Path:
    """SLEAP's analysis file: axes in reverse, NaN where a node is missing."""
    import h5py

    nodes = list(next(iter(tracks.values())))
    frames = max(len(points) for parts in tracks.values() for points in parts.values())
    array = np.full((len(tracks), 2, len(nodes), frames), np.nan)
    for track, parts in enumerate(tracks.values()):
        for node, points in enumerate(parts.values()):
            array[track, :, node, : len(points)] = points.T
    present = ~np.isnan(array).all(axis=(1, 2))
    with h5py.File(path, "w") as file:
        file["tracks"] = array
        file["track_occupancy"] = present.T.astype(np.uint8)
        file["point_scores"] = np.where(np.isnan(array[:, 0]), np.nan, scores)
        file["node_names"] = [name.encode() for name in nodes]
        names = [name.encode() for name in tracks if name]
        file.create_dataset("track_names", data=np.array(names, "S20"))
    return path


def boxes(path: Path, tracks: Paths, tail: str = ",1,-1,-1,-1", size: tuple[int, int] = (40, 90)) -> Path:
    """A file of MOTChallenge: frames from 1, the left and top of a box around each point."""
    width, height = size
    lines = [
        f"{frame},{track},{x - width / 2:.3f},{y - height / 2:.3f},{width},{height}{tail}\n"
        for track, points in tracks.items()
        for frame, (x, y) in enumerate(points.tolist(), 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return path


def session(
    kind: str, folder: Path, points: np.ndarray, rate: float = 25.0, labels: Sequence[str] = ()
) -> Path:
    """The trajectories (frames, animals, 2) of idtracker.ai as .npy, .h5 or .csv."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"trajectories.{kind}"
    names = list(labels) or [str(animal + 1) for animal in range(points.shape[1])]
    record = {
        "trajectories": points,
        "version": "6.0.8",
        "video_paths": ["/data/video.avi"],
        "frames_per_second": rate,
        "body_length": np.float64(31.4),
        "stats": {"estimated_accuracy": 0.99},
        "areas": {"mean": np.ones(2), "median": np.ones(2), "std": np.zeros(2)},
        "setup_points": {},
        "identities_labels": names,
        "identities_groups": {},
        "id_probabilities": np.ones(points.shape[:2]),
        "length_unit": None,
    }
    if kind == "npy":
        np.save(path, record)  # type: ignore[arg-type]
    elif kind == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_group("areas")["mean"] = np.ones(2)
            file.create_dataset("trajectories", data=points, compression="gzip")
            for key in ("version", "frames_per_second", "identities_labels"):
                file.attrs[key] = record[key]
    else:
        header = "time," + ",".join(f"{axis}{i}" for i in range(1, points.shape[1] + 1) for axis in "xy")
        table = np.column_stack([np.arange(len(points)) / rate, points.reshape(len(points), -1)])
        text = io.StringIO()
        np.savetxt(text, table, delimiter=",", header=header, fmt="%.3f", comments="")
        path.write_text(text.getvalue())
        (folder / "attributes.json").write_text(json.dumps({"frames_per_second": rate}))
    return path
