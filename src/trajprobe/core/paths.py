"""Where every artifact lies, relative to the root of the repository (dvc runs each stage there)."""

import os
from pathlib import Path

from trajprobe.core.errors import UserError
from trajprobe.core.store import is_store_address

DEFAULT_CACHE = "~/.cache/trajprobe"
PARAMS = Path("params.yaml")
TRAJECTORIES = Path("data/trajectories.parquet")
QUARANTINE = Path("data/quarantine.csv")
VIDEOS = Path("data/videos.zarr")
CONTROLS = "controls"  # stands where an encoder's name stands, for the features that need no encoder
SUMMARY = Path("metrics/summary.json")
ARMS = Path("metrics/arms.csv")
LADDER = Path("metrics/ladder.csv")
LOCK = Path("dvc.lock")
CONFUSION = Path("metrics/confusion.csv")
PER_CLASS = Path("metrics/per_class.csv")
RELIABILITY = Path("metrics/reliability.csv")
ORDER = Path("metrics/order.csv")
REPORT = Path("report")


def source(source: str) -> Path:
    """The folder of a source: its `card.yaml`, and beside it the files that `trajprobe import` brought."""
    return Path("data/sources") / source


def source_card(name: str) -> Path:
    return source(name) / "card.yaml"


def encoder_card(encoder: str) -> Path:
    return Path("models") / encoder / "card.yaml"


def weights(encoder: str) -> Path:
    """The folder that `fetch` makes: `encoder.safetensors` (or a Hugging Face folder) and `provenance.json`."""
    return Path("models") / encoder / "weights"


def features(name: str) -> Path:
    return Path("data/features") / f"{name}.safetensors"


def predictions(name: str) -> Path:
    return Path("data/predictions") / f"{name}.parquet"


def costs(name: str) -> Path:
    return Path("data/costs") / f"{name}.json"


def analyses(encoder: str) -> Path:
    return Path("data/analyses") / f"{encoder}.json"


def cache_folder() -> Path:
    """TRAJPROBE_CACHE, where downloads are kept outside the repository; the default folder if it is an address.

    Raises UserError where it names the home of a user that does not exist.
    """
    place = _cache_place()
    return expand_user(
        DEFAULT_CACHE if is_store_address(place) else place.removeprefix("file://"), "TRAJPROBE_CACHE"
    )


def finished_work(kind: str) -> Path | str:
    """Where finished shards of a kind (`features`, `trainings`) are kept: below TRAJPROBE_CACHE, folder or address."""
    place = _cache_place()
    return f"{place.rstrip('/')}/{kind}" if is_store_address(place) else cache_folder() / kind


def _cache_place() -> str:
    return os.environ.get("TRAJPROBE_CACHE") or DEFAULT_CACHE


def expand_user(path: str, where: str) -> Path:
    """`path` with a leading ~ replaced. Raises UserError, which names the setting `where`, if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(
            f"{where}: must name a path, got {path!r}, and there is no such home folder; write it without ~"
        ) from None
