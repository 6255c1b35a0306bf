"""At most so many items of a class, for data of which a part is enough.

An item is drawn by a hash of its own id, so that the draw in one class does not depend on the other classes.
A class's places go to the published train and test parts in proportion, and within a part to as many groups as
there are before any group gets a second one: items of one group say less than items of several.
"""

import hashlib
from collections import defaultdict

from trajprobe.trajectories.parsed import Parsed


def capped(parsed: Parsed, kept: list[int], per_class: int, seed: int) -> list[int]:
    """Those of the `kept` items that remain when no class has more than `per_class`, in their old order."""
    strata: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index in kept:
        strata[parsed.labels[index]][parsed.splits[index]].append(index)
    chosen: set[int] = set()
    for parts in strata.values():
        places = _shared(per_class, {split: len(items) for split, items in parts.items()})
        for split, items in parts.items():
            chosen.update(_spread(parsed, items, seed)[: places[split]])
    return [index for index in kept if index in chosen]


def _shared(places: int, sizes: dict[str, int]) -> dict[str, int]:
    """`places` over parts in proportion to their sizes (largest remainders), at least one each where it can be."""
    total = sum(sizes.values())
    if total <= places:
        return sizes
    shares = {split: places * size // total for split, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda split: (-(places * sizes[split] % total), split))
    for split in by_remainder[: places - sum(shares.values())]:
        shares[split] += 1
    for split in sorted(sizes):
        if shares[split] == 0 and places >= len(sizes):
            shares[max(shares, key=lambda name: (shares[name], name))] -= 1
            shares[split] = 1
    return shares


def _spread(parsed: Parsed, items: list[int], seed: int) -> list[int]:
    """The items in the order of their draw: one of every group, then a second one of every group, and so on."""
    lots = {i: hashlib.sha256(f"{seed}:{parsed.item_ids[i]}".encode()).digest() for i in items}
    turns: dict[str, int] = defaultdict(int)
    order = []
    for index in sorted(items, key=lots.__getitem__):
        order.append((turns[parsed.groups[index]], lots[index], index))
        turns[parsed.groups[index]] += 1
    return [index for _, _, index in sorted(order)]
