"""Do the intervals of R^2 and of its gain cover? Simulated studies of a pretrained encoder that is the same in all.

    python benchmarks/attributes.py      # minutes on an idle core; prints a table, which is in calibration.md

All arms map 12 latent numbers of an item through a random nonlinear function and add noise, the pretrained one less.
The attribute is the first of the numbers, with noise. What is true is the mean over all studies. Ridge regression,
folds, scores and intervals are those of `analyse/attributes.py`. With --halves 0 the variance due to the training items
is left out.
"""

import argparse

import numpy as np
from threadpoolctl import threadpool_limits

from trajprobe.analyse.attributes import attribute_gains
from trajprobe.analyse.harness import Harness
from trajprobe.probe.folds import make_folds
from trajprobe.probe.held_out import make_split_halves
from trajprobe.probe.logistic import make_l2_grid

LATENT, SEEDS, FOLDS = 12, 8, 5
CELLS = ((40, 16), (200, 16))  # items, width of the features
QUANTITIES = ("pretrained", "random", "gain")


def draw(
    n: int, width: int, pretrained: np.ndarray, halves: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """The value and both ends of the interval of each quantity in one study."""
    latent = rng.normal(size=(n, LATENT))
    maps = [pretrained, *rng.normal(size=(SEEDS + 1, LATENT, width))]
    noise = [0.5, *np.exp(0.15 * rng.normal(size=SEEDS + 1))]
    arms = [
        (np.tanh(latent @ each / LATENT**0.5) + own * rng.normal(size=(n, width))).astype(np.float32)
        for each, own in zip(maps, noise, strict=True)
    ]
    y = np.arange(n) % 4
    names = [str(item) for item in range(n)]
    rules = {"split": "folds", "folds": FOLDS, "repeats": 1, "inner_folds": 4}
    seed = int(rng.integers(2**31))
    folds = make_folds(y, names, [""] * n, ["a", "b", "c", "d"], **rules, seed=seed)  # type: ignore[arg-type]
    grid = make_l2_grid(1e-4, 1e2, 13)
    harness = Harness("", arms[:-1], y, np.arange(n), 4, folds, 4, grid, 0, 0.95, 1)
    attribute = latent[:, :1] + 0.5 * rng.normal(size=(n, 1))
    pairs = make_split_halves(y, names, [""] * n, split="folds", folds=FOLDS, count=halves, seed=seed)
    (found,) = attribute_gains(harness, {"first": attribute}, arms[-1], pairs)
    each = {name: getattr(found, name) for name in QUANTITIES}
    return {name: [one.value, one.low, one.high] for name, one in each.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400, help="in a cell")
    parser.add_argument(
        "--halves", type=int, default=20, help="split halves; 0 leaves the training items out"
    )
    options = parser.parse_args()
    covered = " | ".join(f"interval of {name} covers" for name in QUANTITIES)
    print(f"| items | features | R² pretrained, random | {covered} |")
    print("| --- " * 6 + "|")
    for n, width in CELLS:
        rng = np.random.default_rng([n, width])
        pretrained = rng.normal(size=(LATENT, width))
        with threadpool_limits(1):
            studies = [draw(n, width, pretrained, options.halves, rng) for _ in range(options.studies)]
        words = []
        for name in QUANTITIES:
            value, low, high = np.array([study[name] for study in studies]).T
            share = float(np.mean((low <= value.mean()) & (value.mean() <= high)))
            words.append(f"{100 * share:.1f} ± {100 * (share * (1 - share) / len(studies)) ** 0.5:.1f}")
        means = [np.mean([study[name][0] for study in studies]) for name in QUANTITIES[:2]]
        print(f"| {n} | {width} | {means[0]:.2f}, {means[1]:.2f} | {' | '.join(words)} |", flush=True)


if __name__ == "__main__":
    main()
