"""Stage `plot`: predictions, metrics and a few clips -> report/ with its figures and index.html."""

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.files import atomic, keep_only
from trajprobe.params.source_card import load_source_card
from trajprobe.params.study import Params, Render
from trajprobe.probe.predictions import read_predictions
from trajprobe.report.analyses import Analyses, read_analyses
from trajprobe.report.arms import draw_arms
from trajprobe.report.classes import read_class_gains
from trajprobe.report.clips import write_class_clips, write_telling_clips
from trajprobe.report.confusion import draw_confusion
from trajprobe.report.efficiency import draw_efficiency
from trajprobe.report.layers import draw_layers
from trajprobe.report.outcomes import Outcomes, outcomes
from trajprobe.report.page import ClipFacts, Figures, Source, Study, render
from trajprobe.report.provenance import describe
from trajprobe.report.reliability import Bins, draw_reliability, read_bins
from trajprobe.report.style import Picture, save
from trajprobe.report.tables import Arms, read_arms
from trajprobe.trajectories.table import read_items
from trajprobe.video.store import Clips, open_clips


def run(params: Params) -> str:
    """Draw all figures and write report/index.html; returns what to tell the user. Raises UserError.

    The folder is put in place as a whole, so it never holds figures of two different studies.
    """
    summary = _read_summary(paths.SUMMARY)
    arms = read_arms(paths.ARMS, params.encoders)
    files = {name: read_predictions(paths.predictions(name)) for name in params.encoders}
    said = {name: outcomes(file, name) for name, file in files.items()}
    keep_only([paths.analyses(name) for name in params.encoders])
    analyses = {name: read_analyses(paths.analyses(name), name) for name in params.encoders}
    bins = read_bins(paths.RELIABILITY, params.encoders)
    items = read_items(paths.TRAJECTORIES)
    clips = open_clips(paths.VIDEOS)
    if clips.shape[0] != len(items.item_ids):
        raise UserError(
            f"{paths.VIDEOS}: has {clips.shape[0]} clips for {len(items.item_ids)} trajectories; "
            "`dvc repro render` brings both in line"
        )
    card = load_source_card(params.source)
    with atomic(paths.REPORT) as folder:
        folder.mkdir()
        study = Study(
            summary=summary,
            arms=arms,
            outcomes=said[params.encoders[0]],
            class_gains=read_class_gains(paths.PER_CLASS, params.encoders),
            analyses=analyses,
            source=Source(card.name, card.summary, card.citation, card.licence, card.format == "synthetic"),
            items=len(items.item_ids),
            aside=_count_aside(paths.QUARANTINE),
            clip=_clip_facts(clips, params.render),
            encoders=[describe(file.features) for file in files.values()],
            figures=_draw(arms, said, bins, analyses, summary["chance"], params.compare.rope, folder),
            telling=write_telling_clips(clips, items.item_ids, said[params.encoders[0]], folder),
            strips=write_class_clips(clips, items.labels, items.classes, params.plot.clips_per_class, folder),
            rope=params.compare.rope,
            confidence=params.compare.confidence,
        )
        (folder / "index.html").write_text(render(study), encoding="utf-8")
    return f"{paths.REPORT / 'index.html'}: open it in a browser"


def _draw(
    arms: Arms,
    said: dict[str, Outcomes],
    bins: dict[str, Bins],
    analyses: dict[str, Analyses],
    chance: float,
    rope: float,
    folder: Path,
) -> Figures:
    confusions: dict[str, Picture] = {}
    reliability: dict[str, Picture] = {}
    layers: dict[str, Picture] = {}
    efficiency: dict[str, Picture] = {}
    for name, seen in said.items():
        comparisons, few = arms.encoders[name], analyses[name].label_efficiency
        confusion = partial(draw_confusion, seen.pretrained, seen.random, seen.classes, seen.inits)
        confusions[name] = save(confusion, folder / f"confusion-{name}.png")
        diagram = partial(draw_reliability, bins[name], comparisons[0])
        reliability[name] = save(diagram, folder / f"reliability-{name}.png")
        if len(comparisons) > 1:
            curve = partial(draw_layers, comparisons, chance)
            layers[name] = save(curve, folder / f"layers-{name}.png")
        if few:
            by_labels = partial(draw_efficiency, few, chance, rope)
            efficiency[name] = save(by_labels, folder / f"labels-{name}.png")
    overview = save(partial(draw_arms, arms, chance, rope), folder / "arms.png")
    return Figures(overview, confusions, reliability, layers, efficiency)


def _clip_facts(clips: Clips, drawn: Render) -> ClipFacts:
    _, frames, height, width, _ = clips.shape
    return ClipFacts(
        frames, height, width, drawn.content == "noise", f"view {drawn.view}, trail {drawn.trail}"
    )


def _count_aside(manifest: Path) -> int:
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.DictReader(file))
    except OSError as error:
        raise UserError(
            f"{manifest}: cannot be read ({error.strerror}); run `dvc repro trajectories`"
        ) from None


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; run `dvc repro compare`") from None
    if not isinstance(summary, dict) or "chance" not in summary:
        raise UserError(f"{path}: is not a summary of a comparison; run `dvc repro compare`")
    return summary
