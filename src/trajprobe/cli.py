"""The command line: one command per stage of the pipeline, and a few for the person who runs it.

Commands are thin: they read params.yaml, call a stage, print what it says. The stages are imported inside the
commands so that `trajprobe --help` and the light stages start fast.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trajprobe.errors import UserError

STAGES = "Stages (run by dvc repro)"
PEOPLE = "For you"

app = typer.Typer(
    name="trajprobe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Does a pretrained video encoder help on your motion, compared with the same architecture at random "
    "initialisation? `dvc repro` runs the stages below in order and only those that are out of date; "
    "params.yaml holds every number that changes a result.",
)

Encoder = Annotated[
    str, typer.Argument(help="An encoder: the name of a folder models/NAME with a card.yaml.")
]


def _setting(variable: str, text: str) -> Any:
    """An option that stands for an environment variable, as which the stages (and dvc's runs of them) read it."""

    def export(value: Any) -> Any:
        if value not in (None, False):
            os.environ[variable] = "1" if value is True else str(value)
        return value

    return typer.Option(envvar=variable, callback=export, help=text, show_default=False)


Workers = Annotated[
    int | None,
    _setting(
        "TRAJPROBE_WORKERS",
        "Threads, or processes that fit probes; one for each core by default (at most 4 draw).",
    ),
]


@app.command(rich_help_panel=STAGES)
def trajectories() -> None:
    """Synthesize or import the labelled paths, and refuse what is not sound.

    Reads `source`, `synthesis`, `trajectories` in params.yaml and the source's card; writes
    data/trajectories.parquet, and data/quarantine.csv with whatever was set aside.
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import trajectories as stage

    _say(stage.run(load_params()))


@app.command(rich_help_panel=STAGES)
def render(workers: Workers = None) -> None:
    """Draw each path as a short RGB clip.

    Reads `render` in params.yaml and data/trajectories.parquet; writes data/videos.zarr, uint8 (N, T, H, W, 3).
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import render as stage

    _say(stage.run(load_params()))


@app.command(rich_help_panel=STAGES)
def fetch(
    encoder: Encoder,
    drop_downloads: Annotated[
        bool,
        _setting(
            "TRAJPROBE_DROP_DOWNLOADS",
            "Remove the original from the download cache afterwards; an encoder that shares it downloads it again.",
        ),
    ] = False,
) -> None:
    """Obtain an encoder's weights, verify them, keep its tensors only.

    Reads the encoder's card; writes models/ENCODER/weights/ with provenance.json. TRAJPROBE_MIRROR (a folder or
    an address) is tried by file name before the network; TRAJPROBE_CACHE holds downloads that can be resumed.
    """
    from trajprobe.stages import fetch as stage

    _say(stage.run(encoder))


@app.command(rich_help_panel=STAGES)
def extract(
    encoder: Encoder,
    device: Annotated[
        str | None, _setting("TRAJPROBE_DEVICE", "cpu, cuda, cuda:1, …; cuda where there is one.")
    ] = None,
    batch: Annotated[
        int | None, _setting("TRAJPROBE_BATCH", "Clips in one pass through the encoder.")
    ] = None,
) -> None:
    """Run an encoder, frozen, over all clips: pretrained, and at `random_inits` random initialisations.

    Reads `features` in params.yaml, the card, the weights and data/videos.zarr; writes
    data/features/ENCODER.safetensors. Finished shards are kept in TRAJPROBE_CACHE, so that a killed run goes on
    where it was.
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import extract as stage

    _say(stage.run(load_params(), encoder))


@app.command(rich_help_panel=STAGES)
def controls() -> None:
    """Features that need no encoder: coordinates (a ceiling), pixels, their random projection, hash noise (a floor)."""
    from trajprobe.stages import controls as stage

    _say(stage.run())


@app.command(rich_help_panel=STAGES)
def probe(
    name: Annotated[str, typer.Argument(help="An encoder, or `controls`.")], workers: Workers = None
) -> None:
    """Train the same probe on every arm with the same folds, and keep every held-out prediction.

    Reads `probe` in params.yaml and data/features/NAME.safetensors; writes data/predictions/NAME.parquet.
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import probe as stage

    _say(stage.run(load_params(), name))


@app.command(rich_help_panel=STAGES)
def analyse(encoder: Encoder, workers: Workers = None) -> None:
    """Beyond accuracy: few labels, bits per label, shuffled labels, nearest neighbours, other probes.

    Reads `analyses`, `probe` and `compare.confidence` in params.yaml and data/features/ENCODER.safetensors; writes
    data/analyses/ENCODER.json.
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import analyse as stage

    _say(stage.run(load_params(), encoder))


@app.command(rich_help_panel=STAGES)
def compare() -> None:
    """The gain of pretraining over random initialisation, its interval, and a verdict.

    Reads `compare`, `encoders` and `weights` in params.yaml and the predictions; writes metrics/.
    """
    from trajprobe.params.study import load_params
    from trajprobe.stages import compare as stage

    _say(stage.run(load_params()))


@app.command(rich_help_panel=STAGES)
def plot() -> None:
    """Draw the figures and write report/index.html."""
    from trajprobe.params.study import load_params
    from trajprobe.stages import plot as stage

    _say(stage.run(load_params()))


@app.command(name="import", rich_help_panel=PEOPLE)
def import_(
    file: Annotated[
        Path, typer.Argument(help="A .npz, .csv, .parquet or .ts file of labelled trajectories.")
    ],
    name: Annotated[
        str, typer.Option(help="What to call the source: lower-case letters, digits, underscores.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="A second file: the published test part of the first.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="In a table, OURS=THEIRS: `--column id=track`; may be repeated.")
    ] = None,
    y_axis: Annotated[
        str, typer.Option(help="Which way y points in the file: up, or down as in images.")
    ] = "up",
    replace: Annotated[bool, typer.Option(help="Replace a source of the same name.")] = False,
) -> None:
    """Bring your own trajectories: check the file, version its bytes under data/raw/, write its source card."""
    from trajprobe.commands import importing

    pairs = [item.partition("=") for item in column or []]
    if unpaired := [ours for ours, equals, _ in pairs if not equals]:
        raise UserError(f"--column {unpaired[0]}: required OURS=THEIRS, as in `--column id=track`")
    columns = {ours: theirs for ours, _, theirs in pairs}
    _say(importing.run(file, name, test=test, y_axis=y_axis, columns=columns, replace=replace))


@app.command(rich_help_panel=PEOPLE)
def show() -> None:
    """The last comparison as a table, with the verdict and where to look next."""
    from trajprobe.commands import show as command

    command.run()


@app.command(rich_help_panel=PEOPLE)
def families() -> None:
    """The families of synthetic paths, with their equations and parameter ranges."""
    from trajprobe.commands import listing

    listing.families()


@app.command(rich_help_panel=PEOPLE)
def encoders() -> None:
    """The encoders that have a card: what they are, their licence, what is already on disk."""
    from trajprobe.commands import listing

    listing.encoders()


study_app = typer.Typer(no_args_is_help=True, help="Several experiments that together answer a question.")
app.add_typer(study_app, name="study", rich_help_panel=PEOPLE)
StudyFile = Annotated[
    Path, typer.Argument(help="A studies/NAME.yaml: a question, and experiments with overrides.")
]


@study_app.command(name="run")
def study_run(
    file: StudyFile,
    only: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="Of its experiments, only these.")
    ] = None,
) -> None:
    """Run the experiments that have no result on this commit yet, as queued DVC experiments."""
    from trajprobe.commands import study

    _say(study.run(file, only or ()))


@study_app.command(name="show")
def study_show(
    file: StudyFile,
    page: Annotated[
        Path | None, typer.Option(help="Write the same as a page (.html) that opens offline.")
    ] = None,
) -> None:
    """All experiments as one table (gain, interval, verdict), and what can and cannot be concluded from each."""
    from trajprobe.commands import study

    study.show(file, page)


def _say(message: str | None) -> None:
    if message:
        typer.echo(message)


def main() -> None:
    """Entry point: a mistake the user can mend ends in one line on stderr and exit code 1."""
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        where = f" ({error.filename})" if error.filename else ""
        _fail(
            f"cannot write: {error.strerror}{where}; free some space or mend the permissions, then run again"
        )


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
