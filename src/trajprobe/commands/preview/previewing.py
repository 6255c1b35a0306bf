"""`trajprobe preview`: look at the clips as an encoder sees them, and estimate the run, before anything is run.

The pipeline is left alone: no file below data/, metrics/, report/ or models/ is written, DVC is not called, nothing is
downloaded. The pictures are written first, as the estimate of a large encoder takes as long as one clip does.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.artifacts.formatting import counted
from trajprobe.commands.listing import console
from trajprobe.commands.preview.chosen_items import ChosenItems, choose_items
from trajprobe.commands.preview.cost_model import StageCost, in_total, money
from trajprobe.commands.preview.preview_sheet import write_animations, write_sheet
from trajprobe.commands.preview.run_costs import RunOptions, measure_work, stage_costs
from trajprobe.commands.preview.seen_clips import APPROXIMATE, is_approximate, seen_clips
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.parallel import worker_count
from trajprobe.params import Params
from trajprobe.render.common_scale import describe_scale

PIPELINE = ("data", "metrics", "report", "models", "src")  # folders that a preview never writes to


def run(
    params: Params, encoder: str | None, out: Path, price: float | None, options: RunOptions = RunOptions()
) -> None:
    """Write the pictures to the folder `out`, and print the estimate of the whole run.

    encoder: its name; by default the first of `params`, and then the estimate is of all of them. price: of an hour.
    Raises UserError if a card, the source or a param is wrong, and if `out` belongs to the pipeline.
    """
    if out.resolve().is_relative_to(Path.cwd()):
        first = out.resolve().relative_to(Path.cwd()).parts[:1]
        if not first or first[0] in PIPELINE:
            raise UserError(f"--out: a folder outside {', '.join(PIPELINE)} is required, got {out}")
    cards = [load_encoder_card(name) for name in ([encoder] if encoder else params.encoders)]
    chosen = choose_items(params)
    output = console()
    for line in show_clips(chosen, cards[0], params, out):
        output.print(line)
    rows = stage_costs(measure_work(params, cards, chosen, options), params)
    output.print(_table([*rows, in_total(rows)]))
    total = in_total(rows)
    assert total.seconds is not None
    output.print(
        f"Timed just now on this machine, {counted(worker_count(options.workers), 'worker')}, as busy as it is. The "
        "start of the stages and DVC's own work come on top; its cache holds every output once more."
    )
    if price is not None:
        output.print(f"At {price:g} per hour: {money(total.seconds, price):.2f}")


def show_clips(chosen: ChosenItems, card: EncoderCard, params: Params, out: Path) -> list[str]:
    """Write the sheet and the animations of what the encoder of `card` is shown; what to tell the user."""
    weights = paths.weights(card.name)
    seen = {name: seen_clips(chosen.clips_of(name), card, weights) for name in chosen.rows}
    one = next(iter(seen.values()))
    shown = f"{counted(one.shape[1], 'frame')} of {one.shape[3]} x {one.shape[2]} pixels"
    drawn = f"drawn as {params.render.frames} of {params.render.size} x {params.render.size}"
    remark = f"{drawn}; {APPROXIMATE}" if is_approximate(card, weights) else drawn
    labels, classes = chosen.shown
    counts = {name: labels.count(name) for name in seen}
    sheet = out / f"{card.name}.png"
    write_sheet(sheet, seen, counts, f"What {card.name} is shown: {shown}", remark)
    animations = write_animations(out, card.name, seen)
    beside = f"and {counted(len(animations), 'animation')} beside it"
    lines = [f"{sheet}: what {card.name} is shown, {shown} ({remark}), {beside}"]
    missing = len(classes) - len(seen)
    if missing:
        lines.append(f"the first {len(seen)} classes; {missing} more are not shown")
    if params.render.content == "noise" or chosen.trajectories.clips is not None:
        return lines
    return lines + describe_scale(chosen.trajectories.points, chosen.trajectories.times, params.render)


def _table(rows: Sequence[StageCost]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("stage", "work", "time", "disk", ""):
        table.add_column(name, justify="right" if name in ("time", "disk") else "left", overflow="fold")
    for row in rows:
        style = "bold" if row is rows[-1] else None
        table.add_row(row.stage, row.work, duration(row.seconds), size(row.disk), row.note, style=style)
    return table


def duration(seconds: float | None) -> str:
    """Two digits in the largest unit that fits: 0.4 s, 58 s, 12 min, 24 h, 31 days; a question mark for None."""
    if seconds is None:
        return "?"
    units = (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72), ("days", 86400, float("inf")))
    unit, length = next((unit, length) for unit, length, most in units if seconds / length < most)
    value = seconds / length
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def size(count: float | None) -> str:
    """Bytes in decimal units: 5.9 MB; a question mark for None."""
    if count is None:
        return "?"
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:,.1f} {unit}"
    return f"{count:.0f} B" if count else ""
