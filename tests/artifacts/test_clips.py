"""The clip store: what was written is read back, the same bytes however it was batched, and no damage goes unseen."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.artifacts import clips as store
from trajprobe.artifacts.clips import layout, open_clips, write_clips
from trajprobe.artifacts.trajectories import items_digest
from trajprobe.core.errors import UserError

ITEMS = items_digest(["b", "a"])
DRAWN = {"view": "xy", "content": "trajectories", "trail": "fading"}


def some_clips(count: int) -> np.ndarray:
    clips = np.random.default_rng(0).integers(0, 255, (count, 3, 16, 16, 3), np.uint8)
    clips[: count // 3] = 0  # as an encoder of chunks likes to leave out
    return clips


def batched(clips: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (clips[start : start + size] for start in range(0, len(clips), size))


def write(path: Path, clips: np.ndarray, batches: Iterable[np.ndarray]) -> None:
    write_clips(path, clips.shape, batches, items=ITEMS, drawn=DRAWN)


def digest(folder: Path) -> str:
    text = "".join(
        f"{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    )
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", 4 * 3 * 16 * 16 * 3)
    monkeypatch.setattr(store, "SHARD_BYTES", 8 * 3 * 16 * 16 * 3)


@pytest.fixture
def written(tmp_path: Path, small_files: None) -> tuple[Path, np.ndarray]:
    clips = some_clips(21)
    write(tmp_path / "clips.zarr", clips, batched(clips, 5))
    return tmp_path / "clips.zarr", clips


def test_every_slice_reads_back(written: tuple[Path, np.ndarray]) -> None:
    path, clips = written
    opened = open_clips(path)
    assert opened.shape == clips.shape
    for part in (slice(None), slice(0, 1), slice(3, 19), slice(20, 21), slice(21, 21), slice(18, 40)):
        found = opened[part]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, clips[part])
    assert sorted(file.name for file in (path / "c").iterdir()) == ["0", "1", "2"]  # shards of 8 clips


@given(st.lists(st.integers(0, 9), max_size=8))
@settings(max_examples=10, deadline=None)
def test_bytes_do_not_depend_on_batches(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    clips = some_clips(21)
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "CHUNK_BYTES", 4 * 3 * 16 * 16 * 3)
        patch.setattr(store, "SHARD_BYTES", 8 * 3 * 16 * 16 * 3)
        ends = [*np.minimum(np.cumsum(sizes), 21).astype(int), 21]
        pieces = [clips[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        write(folder / "one", clips, pieces)
        write(folder / "all", clips, [clips])
    assert digest(folder / "one") == digest(folder / "all")


@pytest.mark.parametrize(
    "clip", [(5, 128, 128, 3), (16, 224, 224, 3), (17, 128, 128, 3), (1, 16, 16, 3), (32, 1024, 1024, 3)]
)
def test_100000_clips_are_a_few_hundred_files_at_most(clip: tuple[int, int, int, int]) -> None:
    chunk, shard = layout((100_000, *clip))
    assert shard % chunk == 0
    assert -(-100_000 // shard) <= 300
    assert chunk == 1 or chunk * np.prod(clip) <= 2**20
    if clip == (5, 128, 128, 3):
        assert shard * np.prod(clip) <= 130 * 2**20  # what writing holds in memory


def test_a_small_store_is_one_file_and_its_metadata(tmp_path: Path) -> None:
    clips = some_clips(10)
    write(tmp_path / "clips.zarr", clips, [clips])
    assert sum(file.is_file() for file in (tmp_path / "clips.zarr").rglob("*")) == 2
    np.testing.assert_array_equal(open_clips(tmp_path / "clips.zarr")[:], clips)


def test_zarr_itself_understands_the_store(written: tuple[Path, np.ndarray]) -> None:
    import zarr

    path, clips = written
    array = zarr.open_array(store=path, mode="r")
    assert array.metadata.zarr_format == 3
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array[:], clips)


def test_a_failed_write_leaves_what_was_there(written: tuple[Path, np.ndarray]) -> None:
    path, clips = written
    before = digest(path)
    for batches in ([clips[:20]], [clips, clips[:1]], [clips[..., :2]], [clips.astype(float)]):
        with pytest.raises(ValueError, match="expected"):
            write(path, clips, batches)
    assert digest(path) == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.zarr: is missing; run `dvc repro render`"):
        open_clips(tmp_path / "none.zarr")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"attributes": {"trajprobe_clips": 3}}', "\udcff"])
def test_metadata_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "zarr.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UserError, match="not a clip store"):
        open_clips(tmp_path)


def test_a_store_of_an_older_version_is_refused(written: tuple[Path, np.ndarray]) -> None:
    path, _ = written
    metadata = json.loads((path / "zarr.json").read_text())
    metadata["attributes"] = {"trajprobe_clips": 1}
    (path / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"layout 3, found layout 1; run `dvc repro render`$"):
        open_clips(path)


def test_a_store_says_which_items_it_shows_and_how(written: tuple[Path, np.ndarray]) -> None:
    clips = open_clips(written[0])
    assert (clips.items, clips.drawn) == (ITEMS, DRAWN)
    clips.check_items(ITEMS)
    for others in (["a", "b"], ["b", "a", "c"], ["b", "A"]):
        with pytest.raises(UserError, match=r"clips\.zarr: .*other trajectories.*run `dvc repro render`"):
            clips.check_items(items_digest(others))


@pytest.mark.parametrize("shard", [0, 1, 2])
def test_a_shard_that_is_missing_or_empty_is_not_read_as_black(
    written: tuple[Path, np.ndarray], shard: int
) -> None:
    path, _ = written
    file = path / "c" / str(shard) / "0/0/0/0"
    file.write_bytes(b"")
    with pytest.raises(UserError, match=rf"incomplete: c/{shard}/0/0/0/0 is missing or empty"):
        open_clips(path)
    file.unlink()
    with pytest.raises(UserError, match=rf"incomplete: c/{shard}/0/0/0/0 is missing or empty"):
        open_clips(path)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_flipped_bit_or_a_cut_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    clips = np.random.default_rng(0).integers(0, 255, (8, 1, 16, 16, 3), np.uint8)
    path = tmp_path_factory.mktemp("store") / "clips.zarr"
    write(path, clips, [clips])
    file = path / "c/0/0/0/0/0"
    content = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[position] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[max(position, 1) :]
    file.write_bytes(bytes(content))
    refusal = None
    try:
        found = open_clips(path)[:]
    except UserError as error:
        refusal, found = str(error), clips
    assert refusal is None or "damaged" in refusal
    np.testing.assert_array_equal(found, clips)  # where nothing was refused, zstd does not use that bit
