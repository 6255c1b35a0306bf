"""Stage `plot`: predictions, metrics, analyses and a few clips -> report/, with its figures and index.html."""

import csv
from collections.abc import Sequence
from pathlib import Path

from trajprobe.artifacts.analyses import read_analyses
from trajprobe.artifacts.clips import Clips, open_clips
from trajprobe.artifacts.comparisons import read_arms, read_bins, read_class_gains, read_ladder
from trajprobe.artifacts.formatting import scale_of
from trajprobe.artifacts.metrics import read_summary
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.source_card import load_source_card
from trajprobe.artifacts.trajectories import items_digest, read_items, shown_classes
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic
from trajprobe.plot.clip_sheets import write_class_clips, write_disagreements
from trajprobe.plot.encoder_facts import describe_encoder
from trajprobe.plot.figures import write_figures
from trajprobe.plot.findings import clip_look, unseen
from trajprobe.plot.outcomes import count_outcomes
from trajprobe.plot.page import ClipFacts, ReportData, SourceFacts, render_page
from trajprobe.plot.params import PlotParams


def run(settings: PlotParams, source: str, encoders: Sequence[str], rope: float, confidence: float) -> str:
    """Draw all figures and write report/index.html; returns a message for the user.

    The folder is replaced as a whole, so it never contains figures of two studies. Raises UserError if a file is
    missing, broken, or belongs to other items or encoders.
    """
    summary = read_summary(paths.SUMMARY)
    arms = read_arms(paths.ARMS, encoders)
    predictions = {name: read_predictions(paths.predictions(name)) for name in encoders}
    outcomes = {name: count_outcomes(own, name) for name, own in predictions.items()}
    analyses = {name: read_analyses(paths.analyses(name), name) for name in encoders}
    ladder = read_ladder(paths.LADDER)
    numeric = summary.n_classes == 0
    bins = {} if numeric else read_bins(paths.RELIABILITY, encoders)
    items = read_items(paths.TRAJECTORIES)
    clips = open_clips(paths.VIDEOS)
    clips.check_items(items_digest(items.item_ids))
    card = load_source_card(source)
    headline = outcomes[encoders[0]]
    scale, shown = scale_of(summary.n_classes), shown_classes(items.labels, items.classes)
    with atomic(paths.REPORT) as folder:
        folder.mkdir()
        data = ReportData(
            summary=summary,
            arms=arms,
            outcomes=headline,
            class_gains={} if numeric else read_class_gains(paths.PER_CLASS, encoders),
            analyses=analyses,
            ladder=ladder,
            source=SourceFacts(
                card.name, card.summary, card.citation, card.licence, card.format == "synthetic"
            ),
            items=len(items.item_ids),
            quarantined=_count_rows(paths.QUARANTINE),
            clip=_clip_facts(clips),
            encoders=[describe_encoder(own.features) for own in predictions.values()],
            figures=write_figures(
                folder, arms, outcomes, bins, analyses, ladder, summary.chance, rope, scale
            ),
            disagreements=[] if numeric else write_disagreements(clips, items.item_ids, headline, folder),
            examples=write_class_clips(clips, *shown, settings.clips_per_class, folder),
            rope=rope,
            confidence=confidence,
        )
        (folder / "index.html").write_text(render_page(data), encoding="utf-8")
    return f"{paths.REPORT / 'index.html'}: open it in a browser"


def _clip_facts(clips: Clips) -> ClipFacts:
    _, frames, height, width, _ = clips.shape
    content = clips.drawn["content"]
    if content == "clips":
        look = "ready-made, resized, with black bars beside frames that are not square"
        return ClipFacts(frames, height, width, False, look, ready=True)
    noise = content == "noise"
    hidden = [] if noise else unseen(clips.drawn)
    return ClipFacts(frames, height, width, noise, clip_look(clips.drawn), hidden=hidden)


def _count_rows(table: Path) -> int:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({error}); run `dvc repro trajectories`") from None
