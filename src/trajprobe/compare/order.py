"""How far each arm's features move when frames are put out of order: metrics/order.csv.

The certificates came with the features; features/order.py says how they were measured, and for which arms.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trajprobe.features.order import DISORDERS

ORDER_COLUMNS = ("encoder", "arm", "layer", "pooling", *DISORDERS)


def order_rows(features: Mapping[str, Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """A row for both arms of each encoder at each layer and pooling. features: metadata of the features by encoder."""
    for encoder, found in features.items():
        for arm in ("pretrained", "random"):
            for place, ratios in found["order"][arm].items():
                layer, _, pooling = place.rpartition("/")
                yield {"encoder": encoder, "arm": arm, "layer": layer, "pooling": pooling, **ratios}
