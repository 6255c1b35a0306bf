"""The command `trajprobe import` with its options, each of them a key of the source's card."""

from pathlib import Path
from typing import Annotated

import typer

from trajprobe.core.errors import UserError
from trajprobe.core.terminal import escape_controls

import_app = typer.Typer()


@import_app.command(name="import", rich_help_panel="For you")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="Labelled trajectories: a .npz, .npy, .csv, .parquet, .ts, ... file, the output of a tracker, or a "
            "folder with a file for each trajectory or video; or clips: an .npz, or a folder of videos; "
            "docs/formats.md lists all."
        ),
    ],
    name: Annotated[
        str, typer.Option(help="What to call the source: lower-case letters, digits, underscores.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="A second file: the published test part of the first.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A table id,label[,group,split], or an .npy of labels in order.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="npz, long (a point per row), rows (a path per row), files, videos, ts, trackmate, deeplabcut, sleap, "
            "mot or idtrackerai; found out if left out.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="In a table, OURS=THEIRS: `--column id=track`; may be repeated.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Names for the columns of a table without a header row: `id,t,x,y,label`."),
    ] = None,
    id_: Annotated[
        str | None, typer.Option("--id", help="The columns that together are the id: `video,track`.")
    ] = None,
    array: Annotated[
        list[str] | None,
        typer.Option(help="In an archive, OURS=THEIRS: `--array points=tracks`; may be repeated."),
    ] = None,
    object_: Annotated[
        int | None,
        typer.Option("--object", help="Which one, from 0, of the objects in an array (N, P, objects, D)."),
    ] = None,
    draw: Annotated[
        bool | None,
        typer.Option(
            "--draw/--no-draw",
            help="Draw the paths of an archive that has clips, too; the clips are not used.",
        ),
    ] = None,
    keypoint: Annotated[
        str | None, typer.Option(help="Of DeepLabCut and SLEAP: which keypoint's path, or `mean` of all.")
    ] = None,
    likelihood: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Of DeepLabCut and SLEAP: keypoints below it are missing; DeepLabCut's default is 0.6.",
        ),
    ] = None,
    label_from: Annotated[
        str | None,
        typer.Option(help="Of a folder of files: folder, key:class, or name:'REGEX' with one group."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Between the cells of a table; found out if left out.")
    ] = None,
    dimensions: Annotated[
        str | None,
        typer.Option(
            help="In .ts, the series that are x, y[, z], counted from 0, so that the first three are `0,1,2`; in rows, "
            "2 or 3."
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="In rows: points (x1 y1 x2 y2 ...) or axes (x1 x2 ... y1 y2 ...).")
    ] = None,
    no_time: Annotated[
        bool | None, typer.Option("--no-time", help="The rows of a table are in order and evenly spaced.")
    ] = None,
    time_unit: Annotated[
        str | None, typer.Option(help="Of times that are numbers: s, ms, us, ns, min, h, frames, 30fps.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="Of times that are dates: '%d.%m.%Y %H:%M:%S'.")
    ] = None,
    y_axis: Annotated[
        str | None,
        typer.Option(help="Which way y points in the file: up (the default), or down as in images."),
    ] = None,
    up: Annotated[
        str | None, typer.Option(help="Which axis of 3-D data points up: x, y, z (the default), -x, -y, -z.")
    ] = None,
    gaps: Annotated[
        str | None,
        typer.Option(help="Missing points inside: refuse, interpolate, interpolate:N, split, strokes."),
    ] = None,
    zeros: Annotated[
        str | None,
        typer.Option(help="Points that are exactly zero: auto (padding at the end), keep, missing."),
    ] = None,
    drop_unlabelled: Annotated[
        bool | None, typer.Option("--drop-unlabelled", help="Leave out items without a label.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="What labels are: classes (the default), or regression: numbers to predict."),
    ] = None,
    min_per_class: Annotated[
        int | None, typer.Option(min=1, help="Leave out classes with fewer groups of items.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            help="Replace the files of a source; its card keeps all that they and the options leave."
        ),
    ] = False,
) -> None:
    """Import your own trajectories: check the file, version its bytes in data/sources/NAME/, write its card.

    Says everything that it assumes. The card keeps the options, so that --replace needs none of them again.
    """
    from trajprobe.commands import importing

    named = _pairs(column, "--column id=track") | ({"id": _listed(id_)} if id_ else {})
    series = _listed(dimensions)
    if wrong := [part for part in series if not part.isdigit()]:
        raise UserError(f"--dimensions: required numbers, as in 0,1,2, got {wrong[0]!r}")
    options = {
        "format": format_,
        "columns": named,
        "header": _listed(columns),
        "arrays": _pairs(array, "--array points=tracks"),
        "object": object_,
        "clips": None if draw is None else "ignore" if draw else "use",
        "keypoint": keypoint,
        "likelihood": likelihood,
        "label_from": label_from,
        "separator": separator,
        "dimensions": [int(part) for part in series],
        "layout": layout,
        "no_time": no_time,
        "time_unit": time_unit,
        "time_format": time_format,
        "y_axis": y_axis,
        "up": up,
        "gaps": gaps,
        "zeros": zeros,
        "unlabelled": "drop" if drop_unlabelled else None,
        "target": target,
        "min_per_class": min_per_class,
    }
    given = {key: value for key, value in options.items() if value not in (None, {}, [])}
    print(escape_controls(importing.run(file, name, test=test, labels=labels, replace=replace, **given)))


def _pairs(items: list[str] | None, example: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in items or []]
    if unpaired := [ours for ours, equals, _ in pairs if not equals]:
        option = example.split()[0]
        raise UserError(f"{option} {unpaired[0]}: required OURS=THEIRS, as in `{example}`")
    return {ours: theirs for ours, _, theirs in pairs}


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []
