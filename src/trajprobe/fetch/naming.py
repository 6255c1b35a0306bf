"""Which tensors of a checkpoint are the encoder's, whatever training code was wrapped around it.

The encoder's `conv.weight` is `module.encoder.conv.weight` in one checkpoint and `_orig_mod.conv.weight` in another.
The architecture decides: the encoder is where all its names exist in the right shapes under a common prefix. A decoder
may look like it and is left out. Copies averaged over training (EMA) have prefixes of their own, and Lightning's LitEma
leaves the dots out of names: `model_ema.encoderconvweight`. Of two copies that differ none is chosen: `prefix` in the
card does.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from trajprobe.checkpoints.storage import TensorSpec
from trajprobe.core.errors import UserError
from trajprobe.fetch.audit import SHOWN, first_names, printable

# torch.compile, DataParallel and DDP, common attributes, Lightning Fabric, keys of checkpoints.
WRAPPERS = ("_orig_mod", "module", "model", "_forward_module", "encoder", "state_dict", "model_state_dict")
AVERAGED = ("ema", "model_ema", "ema_model", "state_dict_ema")
COUNTERS = ("decay", "num_updates")  # that LitEma keeps beside its copies
BATCH_COUNTER = "num_batches_tracked"  # of batch norm
LONGEST_NAME = 300  # of an encoder's tensor in a checkpoint
KNOWN = re.compile(
    rf"(({'|'.join((*WRAPPERS, *AVERAGED))})\.)*({'|'.join(WRAPPERS)})*"
)  # the latter without dots

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, order=True)
class Naming:
    """How a checkpoint names the encoder's tensors: with a prefix, and perhaps without the dots of their names."""

    prefix: str
    dotless: bool = False

    def __call__(self, name: str) -> str:
        """The checkpoint's name of the encoder's tensor `name`."""
        return self.prefix + (_without_dots(name) if self.dotless else name)

    def __str__(self) -> str:
        return f"{self.prefix}* without dots" if self.dotless else f"{self.prefix}*"

    @property
    def known(self) -> bool:
        """Whether the prefix is made of the names of wrappers."""
        return KNOWN.fullmatch(self.prefix) is not None

    @property
    def decoder(self) -> bool:
        return any("decoder" in word for word in self.prefix.split("."))

    @property
    def averaged(self) -> bool:
        return any(word in AVERAGED for word in self.prefix.split("."))


def find_naming(
    index: Mapping[str, TensorSpec],
    expected: Shapes,
    ema: bool | None,
    prefix: str | None,
    equal: Callable[[Naming, Naming], bool],
    what: str,
) -> tuple[Naming, str | None]:
    """The naming under which the checkpoint has the encoder's tensors, and its variant: "EMA", "raw", or None if the
    checkpoint has no averaged copies.

    ema: whether to take averaged copies; None: if there are any that fit. prefix: of the naming to take; None: any.
    equal: whether the tensors under two namings have the same values. what: the checkpoint, for messages. If no naming
    fits but one has most of the names, it is returned for `audit` to list what differs.
    Raises UserError if there is no such naming, or if two fit and differ.
    """
    dotless = {_without_dots(name) for name in expected}
    if len(dotless) < len(expected):  # ambiguous
        dotless = set()
    counts = Counter(naming for name in index for naming in _namings(name, expected, dotless))
    if prefix is not None:
        counts = _under(prefix, counts, what)
    fitting = [
        naming
        for naming in counts
        if all((spec := index.get(naming(name))) and spec.shape == expected[name] for name in expected)
    ]
    fitting = [naming for naming in fitting if not naming.decoder] or fitting
    averaged = [naming for naming in fitting if naming.averaged]
    raw = [naming for naming in fitting if not naming.averaged]
    chosen = {None: averaged or raw, True: averaged, False: raw}[ema]
    if chosen:
        first, *others = sorted(chosen, key=lambda naming: (not naming.known, len(naming.prefix), naming))
        for other in others:
            if not equal(first, other):
                raise UserError(
                    f"{what}: has two different copies of the encoder, {first} and {other}; choose one in the card's "
                    f"weights: `prefix: {shown(first.prefix)}` or `prefix: {shown(other.prefix)}`"
                )
        return first, _variant(first, counts)
    if fitting:
        kinds = ("averaged", "raw") if ema else ("raw", "averaged")
        raise UserError(
            f"{what}: has no {kinds[0]} weights that fit the encoder, but {kinds[1]} ones do; set "
            f"`ema: {'false' if ema else 'true'}` in the card's weights"
        )
    wanted = [naming for naming in counts if ema is None or naming.averaged == ema] or list(counts)
    best = max(wanted, key=lambda naming: counts[naming], default=None)
    if best is None or 2 * counts[best] < len(expected):
        nearest = "" if best is None else f", of which `prefix: {shown(best.prefix)}` gives {counts[best]}"
        raise UserError(
            f"{what}: its {len(index)} tensors ({first_names(index)}) are not named like the encoder's "
            f"{len(expected)} ({first_names(expected)}){nearest}; check `family`, `architecture` and `weights` in the "
            "card"
        )
    return best, _variant(best, counts)


def shown(prefix: str) -> str:
    """A prefix as it is written in a card."""
    return printable(prefix) if prefix else '""'


def _under(prefix: str, counts: Counter[Naming], what: str) -> Counter[Naming]:
    """Those of the namings whose prefix is `prefix`, with or without a dot at its end."""
    found = {
        naming: count for naming, count in counts.items() if naming.prefix.rstrip(".") == prefix.rstrip(".")
    }
    if not found:
        most = counts.most_common(SHOWN)
        known = ", ".join(f"{shown(naming.prefix)} ({count} tensors)" for naming, count in most) or "none"
        raise UserError(
            f"{what}: has no tensor of the encoder under `prefix: {shown(prefix)}` in the card's weights; prefixes "
            f"with tensors of its names: {known}"
        )
    return Counter(found)


def tensors_under(
    naming: Naming, index: Mapping[str, TensorSpec], expected: Shapes, unused: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors under the prefix of `naming`: by the encoder's names, others by the checkpoint's.

    Left out are tensors that no encoder needs: names that begin with any of `unused`, counters, and averaged copies
    beside raw weights.
    """
    ours = {naming(name): name for name in expected}
    ignored = tuple(map(_without_dots, unused)) if naming.dotless else unused

    def belongs(name: str) -> bool:
        rest = name.removeprefix(naming.prefix)
        return not (
            rest.startswith(ignored)
            or rest.endswith(BATCH_COUNTER)
            or (rest in COUNTERS if naming.averaged else rest.partition(".")[0] in AVERAGED)
        )

    return {
        ours.get(name, name): spec.shape
        for name, spec in index.items()
        if name in ours or (name.startswith(naming.prefix) and belongs(name))
    }


def _variant(naming: Naming, counts: Mapping[Naming, int]) -> str | None:
    if naming.averaged:
        return "EMA"
    return "raw" if any(other.averaged for other in counts) else None


def _namings(name: str, expected: Shapes, dotless: Collection[str]) -> Iterator[Naming]:
    """The namings under which the tensor `name` is one of the encoder's. dotless: names of `expected` without dots."""
    if len(name) > LONGEST_NAME:
        return
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", name))]
    for start in starts:
        if name[start:] in expected:
            yield Naming(name[:start])
    if Naming(name[: starts[-1]]).averaged:
        for start in range(starts[-1], len(name)):
            if name[start:] in dotless:
                yield Naming(name[:start], dotless=True)


def _without_dots(name: str) -> str:
    return name.replace(".", "")
