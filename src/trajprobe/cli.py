"""The command line: one command per stage of the pipeline, and a few for the person who runs it.

Commands are thin: they read params.yaml, call a stage, print what it says. The stages are imported inside the
commands so that `trajprobe --help` and the light stages start fast.
"""

import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from trajprobe.commands.app import Batch, Device, Engine, EngineName, Workers, tools
from trajprobe.commands.environment import check_environment
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.errors import UserError, refused_write
from trajprobe.core.paths import cache_folder
from trajprobe.core.terminal import escape_controls, prepare_output

if TYPE_CHECKING:
    from trajprobe.commands.comparing import Format
    from trajprobe.params import Params

STAGES = "Stages (run by dvc repro)"
OUT_OF_MEMORY = (
    "not enough memory; close other programs, or set TRAJPROBE_WORKERS=1 and a smaller TRAJPROBE_BATCH"
)

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


@app.callback()
def _start(context: typer.Context) -> None:
    check_environment(context)
    keep_freed_memory()
    if Path("params.yaml").is_file():
        return
    for folder in Path.cwd().parents:
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            raise UserError(
                f"params.yaml: is not in this folder; the project's root is {folder}: run `cd {folder}` first"
            )


Encoder = Annotated[
    str, typer.Argument(help="An encoder: the name of a folder models/NAME with a card.yaml.")
]


@app.command(rich_help_panel=STAGES)
def trajectories() -> None:
    """Synthesize or import the labelled paths, and check them.

    Reads `source`, `synthesis`, `trajectories` in params.yaml and the source's card; writes
    data/trajectories.parquet, and data/quarantine.csv with the items that were set aside.
    """
    from trajprobe.trajectories import stage

    params = _params()
    _say(stage.run(params.source, params.synthesis, params.trajectories))


@app.command(rich_help_panel=STAGES)
def render(workers: Workers = None, engine: Engine = EngineName.LOCAL) -> None:
    """Draw each path as a short RGB clip, or resize the clips that the source has.

    Reads `render` in params.yaml, data/trajectories.parquet and, for such clips, files of the source; writes
    data/videos.zarr, uint8 (N, T, H, W, 3).
    """
    from trajprobe.render import stage

    _say(stage.run(_params().render, workers, engine.value))


@app.command(rich_help_panel=STAGES)
def fetch(
    encoder: Encoder,
    drop_downloads: Annotated[
        bool,
        typer.Option(
            envvar="TRAJPROBE_DROP_DOWNLOADS",
            help="Remove the original from the download cache afterwards (encoders that share it download it again).",
        ),
    ] = False,
) -> None:
    """Obtain an encoder's weights, verify them, keep its tensors only.

    Reads the encoder's card; writes models/ENCODER/weights/ with provenance.json. TRAJPROBE_MIRROR (a folder or
    an address) is tried by file name before the network; TRAJPROBE_CACHE holds downloads that can be resumed.
    """
    from trajprobe.fetch import stage

    _say(stage.run(encoder, drop_downloads))


@app.command(rich_help_panel=STAGES)
def extract(
    encoder: Encoder, device: Device = None, batch: Batch = 8, engine: Engine = EngineName.LOCAL
) -> None:
    """Run an encoder, frozen, over all clips: pretrained, and at `random_inits` random initialisations.

    Reads `extract` in params.yaml, the card, the weights and data/videos.zarr; writes
    data/features/ENCODER.safetensors, and data/costs/ENCODER.json with the seconds of a pass. Finished shards are kept
    in TRAJPROBE_CACHE, so that a killed run continues where it stopped.
    """
    from trajprobe.extract import stage

    _say(stage.run(_params().extract, encoder, device, batch, engine.value))


@app.command(rich_help_panel=STAGES)
def controls() -> None:
    """Features that need no encoder: coordinates, pixels, their random projection, hash noise."""
    from trajprobe.controls import stage

    _say(stage.run())


@app.command(rich_help_panel=STAGES)
def probe(
    name: Annotated[str, typer.Argument(help="An encoder, or `controls`.")], workers: Workers = None
) -> None:
    """Train the same probe on every arm with the same folds, and keep every held-out prediction.

    Reads `probe` in params.yaml and data/features/NAME.safetensors; writes data/predictions/NAME.parquet.
    """
    from trajprobe.probe import stage

    _say(stage.run(_params().probe, name, workers))


@app.command(rich_help_panel=STAGES)
def analyse(encoder: Encoder, workers: Workers = None) -> None:
    """Beyond accuracy: few labels, bits per label, shuffled labels, other probes, attributes of motion, planted gains.

    Reads `analyse`, `probe`, `compare.confidence` and `render.frames` in params.yaml, data/trajectories.parquet,
    data/features/ENCODER.safetensors and data/features/controls.safetensors; writes data/analyses/ENCODER.json.
    """
    from trajprobe.analyse import stage

    params = _params()
    confidence, frames = params.compare.confidence, params.render.frames
    _say(stage.run(params.analyse, params.probe, confidence, frames, encoder, workers))


@app.command(rich_help_panel=STAGES)
def baseline(
    name: Annotated[
        str,
        typer.Argument(
            help="kinematics, static, shuffled, reversed, dtw, multirocket, cnn3d or finetune.",
        ),
    ],
    device: Device = None,
    batch: Batch = 8,
    workers: Workers = None,
) -> None:
    """Train an alternative to the frozen encoder on the folds of the probe.

    Reads `baseline`, `probe` and the layer, pooling and precision of `extract` in params.yaml, the trajectories, the
    clips and the first encoder's weights; writes data/predictions/NAME.parquet, and data/costs/NAME.json with seconds
    and parameters.
    Finished trainings are kept in TRAJPROBE_CACHE, so that a killed run continues where it stopped.
    """
    from trajprobe.baseline import stage

    params = _params()
    _say(
        stage.run(
            params.baseline, params.probe, params.extract, params.encoders[0], name, device, batch, workers
        )
    )


@app.command(rich_help_panel=STAGES)
def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="None: the stage. Two or more: encoders (ENCODER, ENCODER/random), alternatives, controls, revisions "
            "and experiments (REVISION, REVISION:ENCODER) on the same items, each against the first.",
        ),
    ] = None,
    md: Annotated[bool, typer.Option("--md", help="Of names: as Markdown.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Of names: as CSV, the columns of ladder.csv.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Of names: as JSON.")] = False,
    score: Annotated[
        Literal["accuracy", "brier"],
        typer.Option(help="Of names: what is compared; brier is 1 less half of the Brier score."),
    ] = "accuracy",
) -> None:
    """The gain of pretraining over random initialisation, its interval, and a verdict; or what is named, side by side.

    Reads `compare`, `encoders` and `weights` in params.yaml and the predictions; writes metrics/. With names it writes
    nothing, and reads predictions of other revisions from DVC's cache.
    """
    params = _params()
    options: dict[Format, bool] = {"md": md, "csv": as_csv, "json": as_json}
    forms = [form for form, asked in options.items() if asked]
    if len(forms) > 1 or ((forms or score != "accuracy") and not names):
        raise typer.BadParameter("--md, --csv, --json (one of them) and --score go with two or more names")
    if names:
        from trajprobe.commands import comparing

        comparing.run(names, params.compare.confidence, forms[0] if forms else "table", score)
        return
    from trajprobe.compare import stage

    _say(stage.run(params.compare, params.encoders, params.baselines, params.weights))


@app.command(rich_help_panel=STAGES)
def plot() -> None:
    """Draw the figures and write report/index.html."""
    from trajprobe.plot import stage

    params = _params()
    rope, confidence = params.compare.rope, params.compare.confidence
    _say(stage.run(params.plot, params.source, params.encoders, rope, confidence))


app.add_typer(tools)


def _params() -> "Params":
    from trajprobe.params import load_params

    return load_params()


def _say(message: str | None) -> None:
    if message:
        print(escape_controls(message))


def main() -> None:
    """Entry point: a mistake the user can fix ends in one line on stderr and exit code 1."""
    prepare_output()
    # Read by torch when it is imported: what Apple's MPS lacks is computed on the CPU, with torch's warning.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    stdout = os.fstat(1)
    try:
        sys.exit(app(standalone_mode=False))
    except UserError as error:
        _fail(str(error))
    except typer.BadParameter as error:  # also of an option that was given as a TRAJPROBE_* variable
        _fail(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # typer turns it into a silent exit
            _broken_pipe(stdout)
        raise
    except MemoryError:
        _fail(OUT_OF_MEMORY)
    except Exception as error:
        show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):  # torch's
            _fail(OUT_OF_MEMORY)
        if refused := refused_write(error):
            _fail(_no_room(*refused))
        if show is None or code is None:
            raise
        show()  # typer's own: an unknown command or option
        sys.exit(code)


def _no_room(reason: str, path: str) -> str:
    """What to say of a refused write to `path`, which may be unknown."""
    cache, full = cache_folder().absolute(), Path(path).absolute()
    of_cache = bool(path) and (full.is_relative_to(cache) or cache.is_relative_to(full))
    elsewhere = ", or let TRAJPROBE_CACHE name a folder that can be written" if of_cache else ""
    where = f" ({path})" if path else ""
    return f"cannot write: {reason}{where}; free some space or correct the permissions{elsewhere}, then run again"


def _broken_pipe(stdout: os.stat_result) -> NoReturn:
    """Whoever read stdout has had enough, as in `trajprobe show | head -1`; or a process of ours died.

    stdout: what it was at the start. rich puts /dev/null in the place of a pipe that nobody reads.
    """
    pipe = select.poll()
    pipe.register(1, 0)
    if pipe.poll(0) or not os.path.samestat(os.fstat(1), stdout):
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 1
        )  # else Python complains when it flushes once more at its end
        sys.exit(128 + signal.SIGPIPE)
    _fail("the connection to another process broke, which was probably killed for want of memory; run again")


def _fail(message: str) -> NoReturn:
    print(f"error: {escape_controls(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(1)
