"""How fast clips are drawn, compared with other methods that draw the same clips.

    python benchmarks/render.py            # about 15 s on one core

All methods draw the same 3-D random walks with the settings of params.yaml, in clips of two sizes. They alternate for
several rounds, and the best round of each counts. The ratio is of processor time, which other processes affect least.
- trajprobe: `render_clip`, all that the stage does for an item; and `render_batches` on two threads
- redrawn: the same drawing, but each frame from the start of the path on an empty canvas
- line_aa: each frame from the start by cv2.polylines and cv2.circle with LINE_AA; faster, but its lines and markers
  are too wide (see the ink), and widths are whole pixels
- agg: matplotlib at its fastest, one Agg figure without axes for all clips, only the data of its artists changed
- agg 3-D: matplotlib as in a notebook, 3-D axes in a new figure for each clip, with the axes hidden
- figure: a new figure for each frame, with its axes, saved to memory and read back, as scripts that make films do
The first two also project the path; line_aa, agg and redrawn are given its pixels. Ink is the brightness that a method
adds to the last frame, relative to trajprobe (agg 3-D fits the path to the frame differently).
"""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from results import report
from trajprobe.core import paths
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.schema import load
from trajprobe.params import Params
from trajprobe.render.camera import make_projection
from trajprobe.render.clutter import draw_backgrounds
from trajprobe.render.drawing import Timeline, draw_path, make_timeline
from trajprobe.render.params import RenderParams
from trajprobe.render.raster import rgb
from trajprobe.render.rendering import render_batches, render_clip

CLIPS, POINTS, ROUNDS = 100, 48, 3
SLOW = 10  # clips that matplotlib draws in a round


def project_at_knots(
    points: np.ndarray, times: np.ndarray, timeline: Timeline, render: RenderParams
) -> np.ndarray:
    """(K, 2) pixels of a path at the knots of the timeline."""
    project = make_projection(points, render, "up", np.random.default_rng(0))
    return project(np.stack([np.interp(timeline.knots, times, axis) for axis in points.T], axis=1))


def redrawn(path: np.ndarray, timeline: Timeline, render: RenderParams) -> np.ndarray:
    empty = draw_backgrounds(render, np.random.default_rng(0))[:1]
    return np.concatenate(
        [
            draw_path(path[: stop + 1], Timeline(timeline.knots[: stop + 1], np.array([stop])), empty, render)
            for stop in np.maximum(timeline.stops, 1)
        ]
    )


def line_aa(path: np.ndarray, timeline: Timeline, render: RenderParams) -> np.ndarray:
    clip = np.empty((render.frames, render.size, render.size, 3), np.uint8)
    clip[:] = rgb(render.background)
    corners = np.rint((path - 0.5) * 16).astype(np.int32)
    line, marker = (rgb(colour).tolist() for colour in (render.line_colour, render.marker_colour))
    for frame, stop in zip(clip, timeline.stops, strict=True):
        cv2.polylines(frame, [corners[: stop + 1]], False, line, round(render.line_width), cv2.LINE_AA, 4)
        cv2.circle(
            frame, corners[stop].tolist(), round(16 * render.marker_radius), marker, -1, cv2.LINE_AA, 4
        )
    return clip


class Agg:
    """A figure whose data coordinates are pixels."""

    def __init__(self, render: RenderParams) -> None:
        self.render = render
        figure = Figure(figsize=(1, 1), dpi=render.size, facecolor=render.background)
        self.canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, render.size), ylim=(render.size, 0))
        axes.axis("off")
        width = render.line_width * 72 / render.size
        (self.line,) = axes.plot([], [], color=render.line_colour, lw=width, solid_capstyle="round")
        self.marker = axes.add_patch(
            Circle((0, 0), render.marker_radius, color=render.marker_colour, lw=0, zorder=9)
        )

    def clip(self, path: np.ndarray, timeline: Timeline) -> np.ndarray:
        frames = []
        for stop in timeline.stops:
            self.line.set_data(*path[: stop + 1].T)
            self.marker.center = tuple(path[stop])
            self.canvas.draw()
            frames.append(np.asarray(self.canvas.buffer_rgba())[..., :3].copy())
        return np.stack(frames)


def agg_3d(points: np.ndarray, timeline: Timeline, times: np.ndarray, render: RenderParams) -> np.ndarray:
    figure = Figure(figsize=(1, 1), dpi=render.size, facecolor=render.background)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), projection="3d", facecolor=render.background)
    axes.view_init(elev=render.camera.elevation, azim=render.camera.azimuth)
    limits = zip(points.min(axis=0), points.max(axis=0), strict=True)
    axes.set(**dict(zip(("xlim", "ylim", "zlim"), limits, strict=True)))
    axes.axis("off")
    width = 72 / render.size
    (line,) = axes.plot([], [], [], color=render.line_colour, lw=render.line_width * width)
    (marker,) = axes.plot(
        [], [], [], "o", color=render.marker_colour, ms=2 * render.marker_radius * width, mew=0
    )
    at_knots = np.stack([np.interp(timeline.knots, times, axis) for axis in points.T])
    frames = []
    for stop in timeline.stops:
        line.set_data_3d(*at_knots[:, : stop + 1])
        marker.set_data_3d(*at_knots[:, stop : stop + 1])
        canvas.draw()
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return np.stack(frames)


def figures(points: np.ndarray, timeline: Timeline, times: np.ndarray, render: RenderParams) -> np.ndarray:
    width = 72 / render.size
    at_knots = np.stack([np.interp(timeline.knots, times, axis) for axis in points.T])
    frames = []
    for stop in timeline.stops:
        figure = Figure(figsize=(1, 1), dpi=render.size, facecolor=render.background)
        axes = figure.add_subplot(projection="3d", facecolor=render.background)
        axes.view_init(elev=render.camera.elevation, azim=render.camera.azimuth)
        axes.plot(*at_knots[:, : stop + 1], color=render.line_colour, lw=render.line_width * width)
        marker = {"color": render.marker_colour, "ms": 2 * render.marker_radius * width, "mew": 0}
        axes.plot(*at_knots[:, stop : stop + 1], "o", **marker)
        limits = zip(points.min(axis=0), points.max(axis=0), strict=True)
        axes.set(**dict(zip(("xlim", "ylim", "zlim"), limits, strict=True)))
        file = io.BytesIO()
        figure.savefig(file, format="png", facecolor=render.background)
        frames.append(cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR_RGB))
    return np.stack(frames)


def main() -> None:
    render = load(Params, Path(__file__).parents[1] / paths.PARAMS).render
    for frames, size in ((5, 128), (17, 256)):
        ratios = compare(render.model_copy(update={"frames": frames, "size": size}))
        for row, method in (("figure", "figure"), ("agg", "agg")) if frames == 5 else ():
            report(row, f"{ratios[method]:.3g}× ({frames} frames of {size} × {size})")


def compare(render: RenderParams) -> dict[str, float]:
    """Prints the table; returns each method's processor time over trajprobe's."""
    rng = np.random.default_rng(0)
    walks = [rng.normal(size=(POINTS, 3)).cumsum(axis=0) for _ in range(CLIPS)]
    times = np.linspace(0, 1, POINTS)
    timeline = make_timeline(times, render)
    pixels = [project_at_knots(points, times, timeline, render) for points in walks]
    agg = Agg(render)
    methods: dict[str, Callable[[], Iterator[np.ndarray]]] = {
        "trajprobe": lambda: (render_clip(points, times, render, 0) for points in walks),
        "trajprobe, 2 threads": lambda: (
            clip for batch in render_batches(walks, [times] * CLIPS, render, workers=2) for clip in batch
        ),
        "redrawn": lambda: (redrawn(path, timeline, render) for path in pixels),
        "line_aa": lambda: (line_aa(path, timeline, render) for path in pixels),
        "agg": lambda: (agg.clip(path, timeline) for path in pixels[:SLOW]),
        "agg 3-D": lambda: (agg_3d(points, timeline, times, render) for points in walks[:SLOW]),
        "figure": lambda: (figures(points, timeline, times, render) for points in walks[:SLOW]),
    }
    wall, cpu = dict.fromkeys(methods, np.inf), dict.fromkeys(methods, np.inf)
    ink: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, method in methods.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            last_frames = [clip[-1].copy() for clip in method()]
            wall[name] = min(wall[name], (time.perf_counter() - start) / len(last_frames))
            cpu[name] = min(cpu[name], (time.process_time() - start_cpu) / len(last_frames))
            ink[name] = float(np.mean(last_frames[:SLOW]) - rgb(render.background).mean())
    print(f"{render.frames} frames of {render.size} x {render.size}, {POINTS} points a path")
    print(f"{'':<22}{'clips/s':>9}{'cpu ms/clip':>13}{'ratio':>7}{'ink':>6}")
    for name in methods:
        ratio, share = cpu[name] / cpu["trajprobe"], ink[name] / ink["trajprobe"]
        print(f"{name:<22}{1 / wall[name]:>9.0f}{1000 * cpu[name]:>13.2f}{ratio:>7.2f}{share:>6.2f}")
    return {name: cpu[name] / cpu["trajprobe"] for name in methods}


if __name__ == "__main__":
    keep_freed_memory()  # as the command line does
    main()
