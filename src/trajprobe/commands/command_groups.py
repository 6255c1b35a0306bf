"""The commands `trajprobe study …` and `trajprobe cache …`, as the command line shows them."""

from pathlib import Path
from typing import Annotated

import typer

from trajprobe.core.terminal import escape_controls

study_app = typer.Typer(no_args_is_help=True, help="Several experiments that together answer a question.")
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
    """Run the experiments that have no result on this commit yet, one after the other."""
    from trajprobe.commands import study

    print(escape_controls(study.run(file, only or ())))


@study_app.command(name="show")
def study_show(
    file: StudyFile,
    page: Annotated[
        Path | None, typer.Option(help="Write the same as a page (.html) that opens offline.")
    ] = None,
) -> None:
    """All experiments as one table (gain, interval, verdict), and what can and cannot be concluded from each."""
    from trajprobe.commands import study

    study.show_study(file, page)


cache_app = typer.Typer(help="What TRAJPROBE_CACHE holds: finished shards of features, and downloads.")


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context) -> None:
    """What TRAJPROBE_CACHE holds: finished shards of features, and downloads. Without a command: lists it."""
    if context.invoked_subcommand is None:
        from trajprobe.commands import cached

        cached.show_cache()


@cache_app.command(name="verify")
def cache_verify() -> None:
    """Read every shard and every download, and compare their digests."""
    from trajprobe.commands import cached

    print(escape_controls(cached.verify_cache()))


@cache_app.command(name="prune")
def cache_prune(
    limit: Annotated[
        float | None,
        typer.Option(min=0, help="Gigabytes of shards to keep; TRAJPROBE_CACHE_LIMIT if left out."),
    ] = None,
    downloads: Annotated[bool, typer.Option("--downloads", help="Also remove all downloads.")] = False,
    damaged: Annotated[bool, typer.Option("--damaged", help="Also remove what is damaged.")] = False,
) -> None:
    """Remove the least recently used shards beyond the limit. Everything can be made or fetched again."""
    from trajprobe.commands import cached

    print(escape_controls(cached.prune_cache(limit, downloads, damaged)))
