"""Which kind of video file some bytes are, and whether the file is whole.

A decoder takes what it finds until the file ends, so a download that broke off would pass as a shorter clip. And it
recognises play lists, which name other files. So only the containers below are given to it, by their first bytes, and
only if their own account of their length fits the file.
"""

import os
from pathlib import Path
from typing import BinaryIO

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".gif", ".webm", ".mkv")
ISO_BOXES = (
    b"ftyp",
    b"moov",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"pnot",
)  # that an .mp4 or .mov begins with
EBML, SEGMENT = 0x1A45DFA3, 0x18538067  # elements of .webm and .mkv


class BadVideo(Exception):
    """A file is no video, or a damaged one; the text is a clause without the file's name."""


def check_container(path: Path) -> None:
    """Raise BadVideo unless the file is one of the known containers, and whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(12)
        file.seek(0)
        if first[4:8] in ISO_BOXES:
            end = _end_of_boxes(file, size)
        elif first[:4] == b"RIFF" and first[8:] == b"AVI ":
            end = _end_of_chunks(file, size)
        elif first[:4] == EBML.to_bytes(4, "big"):
            end = _end_of_segment(file, size)
        elif first[:4] == b"GIF8":
            file.seek(max(size - 1024, 0))
            end = size if file.read().rstrip(b"\0").endswith(b";") else size + 1
        else:
            raise BadVideo(
                f"is no video (it begins with {ascii(first[:8])[2:-1]}); known: {', '.join(ENDINGS)}"
            )
    if end > size:
        raise BadVideo(f"is truncated: {size} bytes, of at least {end}")


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last box of an ISO base media file ends (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 0:  # up to the end of the file
            return size
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            raise BadVideo(f"has a broken box at byte {at}")
        at += length
    return at if at > size else size


def _end_of_chunks(file: BinaryIO, size: int) -> int:
    """Where the last RIFF chunk of an .avi ends; a length of 0 was never filled in and says nothing."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length == 0:
            return size
        at += 8 + length
    return at


def _end_of_segment(file: BinaryIO, size: int) -> int:
    """Where the segment of a Matroska file ends (RFC 8794, 4 and 5); an unknown length says nothing."""
    while file.tell() < size:
        name = _variable_length(file, keep_marker=True)
        length = _variable_length(file, keep_marker=False)
        if length is None:
            return size
        if name == SEGMENT:
            return file.tell() + length
        file.seek(length, os.SEEK_CUR)
    return size + 1  # no segment yet


def _variable_length(file: BinaryIO, keep_marker: bool) -> int | None:
    """A number of 1 to 8 bytes, whose count of leading zero bits says how many; None if all its bits are ones."""
    first = file.read(1)
    if not first or not first[0]:
        raise BadVideo("has a broken element")
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big")
    if keep_marker:
        return value
    value &= (1 << 7 * (more + 1)) - 1
    return None if value == (1 << 7 * (more + 1)) - 1 else value
