"""What the weights of an encoder will take: whether they are here, and how much disk and download they need.

Nothing is asked over the network. The size of a download is in no card, so it is bounded from below by the number of
parameters that the card states, in float32.
"""

from pathlib import Path

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights, HubWeights, PackageWeights, UrlWeights
from trajprobe.artifacts.formatting import counted
from trajprobe.commands.preview.cost_model import FLOAT, StageCost
from trajprobe.core.paths import cache_folder
from trajprobe.download.cache import cache_dir, url_name
from trajprobe.download.hub import hub_source
from trajprobe.download.mirror import mirror_places
from trajprobe.download.package import package_source


def weights_cost(card: EncoderCard, weights: Path) -> StageCost:
    """The row of `fetch`. weights: the folder that it fills."""
    stage = f"fetch {card.name}"
    if (weights / "provenance.json").is_file():
        return StageCost(stage, "weights", 0.0, 0.0, "the weights are here")
    size = None if card.parameters is None else card.parameters * 1e6 * FLOAT
    if card.weights == "none":
        return StageCost(stage, "no weights", 0.0, 0.0)
    if isinstance(card.weights, FileWeights):
        path = Path(card.weights.file).expanduser()
        if path.exists():
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            size = sum(file.stat().st_size for file in files)
            return StageCost(stage, counted(len(files), "file"), 0.0, size, "from this machine")
        return StageCost(stage, "", None, size, f"{path} is missing")
    if _is_cached(card.weights):
        return StageCost(stage, "weights", 0.0, size, "downloaded before")
    if size is None:
        return StageCost(stage, "a download", None, None, "its size is not in the card")
    return StageCost(
        stage,
        f"a download of at least {size / 1e6:,.0f} MB",
        None,
        size,
        "the parameters in float32; the card states no size, and the time depends on the network",
    )


def _is_cached(weights: UrlWeights | HubWeights | PackageWeights) -> bool:
    """Whether the original lies in the download cache or in a mirror that is a folder."""
    match weights:
        case UrlWeights(url=url):
            source, names = url, [url_name(url)]
        case PackageWeights(package=package):
            source, names = package_source(package.name, package.version), [Path(package.file).name]
        case HubWeights(hub=hub, file=file, revision=revision):
            source, names = hub_source(hub, revision), [file or f"{hub}/config.json"]
    if any(isinstance(place, Path) for place in mirror_places(names)):
        return True
    if not cache_folder().is_dir():
        return False
    wanted = {Path(name).name for name in names}
    return any(path.name in wanted for path in cache_dir(source).rglob("*") if path.is_file())
