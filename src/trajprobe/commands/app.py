"""The commands for the person at the keyboard, as the command line shows them; each module here is one of them.

They are thin and import what they call when they run, as the stages' commands in cli.py do.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trajprobe.commands.command_groups import cache_app, study_app
from trajprobe.commands.environment import check_device
from trajprobe.commands.import_app import import_app
from trajprobe.core.terminal import escape_controls

PEOPLE = "For you"

tools = typer.Typer()
tools.add_typer(import_app, rich_help_panel=PEOPLE)
tools.add_typer(study_app, name="study", rich_help_panel=PEOPLE)
tools.add_typer(cache_app, name="cache", rich_help_panel=PEOPLE)
Device = Annotated[
    str | None,
    typer.Option(
        envvar="TRAJPROBE_DEVICE",
        callback=check_device,
        show_default=False,
        help="cpu, cuda, cuda:1, … or mps; by default cuda, else mps, else cpu.",
    ),
]
Batch = Annotated[
    int,
    typer.Option(envvar="TRAJPROBE_BATCH", min=1, max=4096, help="Clips in one pass through the encoder."),
]


class EngineName(StrEnum):
    """Where paths are drawn and clips encoded."""

    LOCAL = "local"
    RAY = "ray"


Engine = Annotated[
    EngineName,
    typer.Option(
        envvar="TRAJPROBE_ENGINE",
        help="ray: on the GPUs or cores of the cluster at RAY_ADDRESS, or of this machine (extra `ray`).",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        envvar="TRAJPROBE_WORKERS",
        min=1,
        max=1024,
        show_default=False,
        help="Threads, or processes that fit probes; by default one for each core (at most 4 draw).",
    ),
]


@tools.command(rich_help_panel=PEOPLE)
def pretrain(
    name: Annotated[
        str,
        typer.Argument(help="A new name, or a folder models/NAME with a card of the family open_magvit2."),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="Trajectories of data/sources/SOURCE, drawn as `render` in params.yaml says; labels play no part."
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            help="Of the source, only these: `train` (its published part), or a file with one item id a line."
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Clips that are there: an .npz with `videos` (N, T, H, W, 3), or a folder as data/videos.zarr."
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="The encoder whose architecture a new NAME gets.", show_default="magvit2_mini"),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=0, help="Steps of the optimizer; 0 keeps the initialisation.")
    ] = 2000,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="5, or as the source's or the user's clips", help="Frames in a clip, 4k+1."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Clips in a step.")] = 4,
    learning_rate: Annotated[
        float, typer.Option(min=1e-12, max=1, help="Its highest value, after the warm-up.")
    ] = 2e-3,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the clips and the initialisation.")
    ] = 20240904,
    device: Device = None,
    resume: Annotated[
        bool, typer.Option(help="Continue a killed run at its last checkpoint; start if there is none.")
    ] = False,
) -> None:
    """Pretrain an encoder of the family open_magvit2 on unlabelled clips: synthetic ones, or your own.

    Reads models/NAME/card.yaml, or makes it; with --source also `render` in params.yaml. Writes encoder.safetensors,
    recipe.yaml and the list of what was seen beside the card, the log and a picture of reconstructions to
    models/NAME/pretraining/. The weights go under DVC unless git tracks them.
    """
    from trajprobe.commands.pretrain import command

    _say(
        command.run(
            name,
            steps,
            frames=frames,
            source=source,
            items=items,
            clips=clips,
            like=like,
            batch=batch,
            learning_rate=learning_rate,
            seed=seed,
            device=device,
            resume=resume,
        )
    )


@tools.command(rich_help_panel=PEOPLE)
def preview(
    encoder: Annotated[
        str | None,
        typer.Option(show_default=False, help="Whose view is shown; by default the first of params.yaml."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("preview"),
    price: Annotated[
        float | None,
        typer.Option(min=0, max=1e9, show_default=False, help="Of an hour; the estimate then names the sum."),
    ] = None,
    device: Device = None,
    batch: Batch = 8,
    workers: Workers = None,
) -> None:
    """Look at the clips as an encoder is shown them, and estimate the time and disk of the whole run.

    Reads params.yaml, the cards and the source; writes pictures to --out and nothing to the pipeline, and downloads
    nothing.
    """
    from trajprobe.commands.preview import previewing
    from trajprobe.commands.preview.run_costs import RunOptions
    from trajprobe.params import load_params

    previewing.run(load_params(), encoder, out, price, RunOptions(device, batch, workers))


@tools.command(rich_help_panel=PEOPLE)
def plan(
    gain: Annotated[
        float,
        typer.Option(
            min=0.1, max=100, help="The gain to detect, in points; of numbers, in hundredths of R²."
        ),
    ] = 5.0,
    equal: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            show_default="compare.rope",
            help="Show equivalence within ± so many points.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(show_default=False, help="Whose results are the pilot; by default the first's."),
    ] = None,
    spread: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=50,
            show_default=False,
            help="Without a pilot: standard deviation over random initialisations, in points.",
        ),
    ] = None,
    disagreement: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            show_default=False,
            help="Without a pilot: % of the items on which only one of a pretrained and an untrained network is right.",
        ),
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0, max=1e9, show_default=False, help="Of an hour.")
    ] = None,
    device: Device = None,
    batch: Batch = 8,
    workers: Workers = None,
) -> None:
    """How many items and random initialisations a gain takes to be found, and what they cost.

    The pilot is the finished study in this folder: reads params.yaml, predictions, cards and the source. Or give
    --spread and --disagreement. Writes and downloads nothing.
    """
    from trajprobe.commands import planning
    from trajprobe.commands.preview.run_costs import RunOptions
    from trajprobe.params import load_params

    if (spread is None) != (disagreement is None):
        raise typer.BadParameter("--spread, --disagreement: both are required, or neither")
    assumed = None if spread is None or disagreement is None else (spread / 100, disagreement / 100)
    region = None if equal is None else equal / 100
    planning.run(
        load_params(), encoder, assumed, gain / 100, region, price, RunOptions(device, batch, workers)
    )


@tools.command(rich_help_panel=PEOPLE)
def show() -> None:
    """The last comparison as a table, with the verdict and where to look next."""
    from trajprobe.commands import show as command

    command.run()


@tools.command(rich_help_panel=PEOPLE)
def families() -> None:
    """The families of synthetic paths, with their equations and parameter ranges."""
    from trajprobe.commands import listing

    listing.list_families()


@tools.command(rich_help_panel=PEOPLE)
def encoders() -> None:
    """The encoders that have a card: what they are, their licence, what is already on disk."""
    from trajprobe.commands import listing

    listing.list_encoders()


@tools.command(rich_help_panel=PEOPLE)
def tidy() -> None:
    """Remove files of encoders and alternatives that params.yaml no longer lists (DVC runs this before `compare`)."""
    from trajprobe.commands import tidy as command
    from trajprobe.params import load_params

    params = load_params()
    _say(command.run(params.encoders, params.baselines))


@tools.command(rich_help_panel=PEOPLE)
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Remove what no living process uses.")] = False,
) -> None:
    """Where this runs, which remotes answer, and what killed processes left: stale locks, half-written outputs.

    Outputs in DVC's cache are read and held against dvc.lock. Says what is safe to remove. Ends with 1 if anything is
    left over.
    """
    from trajprobe.commands import doctor as command

    command.run(fix)


@tools.command(rich_help_panel=PEOPLE)
def verify() -> None:
    """Run every stage once more in a copy, and compare with dvc.lock: identical, close, or different.

    As slow as the first run, since nothing is taken from a cache but downloads. Nothing in the project changes.
    """
    from trajprobe.commands import verify as command

    command.run()


def _say(message: str | None) -> None:
    if message:
        print(escape_controls(message))
