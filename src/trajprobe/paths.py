"""Where every artifact lies, relative to the root of the repository (dvc runs each stage there)."""

from pathlib import Path

PARAMS = Path("params.yaml")
RAW = Path("data/raw")
TRAJECTORIES = Path("data/trajectories.parquet")
QUARANTINE = Path("data/quarantine.csv")
VIDEOS = Path("data/videos.zarr")
CONTROLS = "controls"  # stands where an encoder's name stands, for the features that need no encoder
SUMMARY = Path("metrics/summary.json")
ARMS = Path("metrics/arms.csv")
CONFUSION = Path("metrics/confusion.csv")
PER_CLASS = Path("metrics/per_class.csv")
RELIABILITY = Path("metrics/reliability.csv")
ORDER = Path("metrics/order.csv")
REPORT = Path("report")


def source_card(source: str) -> Path:
    return Path("data/sources") / f"{source}.yaml"


def encoder_card(encoder: str) -> Path:
    return Path("models") / encoder / "card.yaml"


def weights(encoder: str) -> Path:
    """The folder that `fetch` makes: `encoder.safetensors` (or a Hugging Face folder) and `provenance.json`."""
    return Path("models") / encoder / "weights"


def features(name: str) -> Path:
    return Path("data/features") / f"{name}.safetensors"


def predictions(name: str) -> Path:
    return Path("data/predictions") / f"{name}.parquet"


def analyses(encoder: str) -> Path:
    return Path("data/analyses") / f"{encoder}.json"
