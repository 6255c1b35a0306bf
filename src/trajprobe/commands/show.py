"""`trajprobe show`: the last comparison as a table, the verdict in a sentence, and where to look next."""

from rich.table import Table

from trajprobe import paths
from trajprobe.commands.console import console
from trajprobe.compare.table import HEADER, arms_table, read_metrics, warnings


def run() -> None:
    """Print metrics/summary.json and metrics/arms.csv. Raises UserError where there is no result yet."""
    summary, arms = read_metrics(paths.SUMMARY, paths.ARMS)
    table = Table(*HEADER, caption=f"{summary['n_items']} items held out, {summary['n_classes']} classes")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in arms_table(summary, arms):
        table.add_row(*row)
    out = console()
    out.print(table)
    out.print(summary["sentence"], style="bold")
    for warning in warnings(arms):
        out.print(warning)
    out.print(
        f"Next: open {paths.REPORT}/index.html; or dvc exp run -n random -S weights=random, then dvc metrics diff."
    )
