"""What the rules of a card changed in a file, counted and described for the user."""

from dataclasses import dataclass


@dataclass
class CleaningCounts:
    """How many items each rule changed.

    nan_ends, zero_ends: padding was left out. zeros_missing: zeros were taken as missing. gaps: points inside are
    missing, `gap_points` of them. repeats: points that repeated a time stamp. pieces, short_pieces: into which items
    were cut, kept and not. zeros_inside: zeros are left within the path, in `first_zeros` first.
    """

    nan_ends: int = 0
    zero_ends: int = 0
    zeros_missing: int = 0
    gaps: int = 0
    gap_points: int = 0
    repeats: int = 0
    pieces: int = 0
    short_pieces: int = 0
    zeros_inside: int = 0
    first_zeros: str = ""

    def describe(self, policy: str, has_strokes: bool) -> list[str]:
        """A line for each change. policy: the card's `gaps`. has_strokes: the file numbers strokes itself."""
        notes = []
        if self.nan_ends:
            notes.append(
                f"padding: {_items(self.nan_ends)} missing points at an end; left out, so paths are shorter"
            )
        if self.zero_ends:
            notes.append(
                f"padding: {_items(self.zero_ends)} zeros at the end; left out, so paths are shorter (--zeros keep "
                "takes them as points)"
            )
        if self.zeros_missing:
            notes.append(f"gaps: {_items(self.zeros_missing)} points that are exactly zero; taken as missing")
        if self.zeros_inside:
            notes.append(
                f"warning: {_items(self.zeros_inside)} points that are exactly zero within the path, first "
                f"{self.first_zeros}; trackers write zeros for missing points (--zeros missing takes them so, "
                "--zeros keep silences this)"
            )
        if self.repeats:
            notes.append(f"gaps: {self.repeats} points that repeat a time stamp were dropped")
        if self.gaps:
            notes += self._describe_gaps(policy)
        if policy == "strokes":
            notes.append("strokes: the pen is lifted at missing points, and where a stroke column changes")
        elif has_strokes:
            notes.append("strokes: the pen is lifted where the stroke column changes")
        return notes

    def _describe_gaps(self, policy: str) -> list[str]:
        kind, _, most = policy.partition(":")
        if kind == "interpolate":
            limit = f", at most {most} in a row" if most else ""
            return [
                f"gaps: {_items(self.gaps)} {self.gap_points} missing points inside; filled linearly in time{limit}"
            ]
        if kind == "split":
            short = f"; {self.short_pieces} pieces of one point dropped" if self.short_pieces else ""
            return [
                f"gaps: {_items(self.gaps)} gaps; cut into {self.pieces} items, grouped by the uncut one{short}"
            ]
        return []


def _items(count: int) -> str:
    return f"{count} item{'s have' if count > 1 else ' has'}"
