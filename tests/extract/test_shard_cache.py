"""The shard cache: what was put comes back, whatever byte is flipped is noticed (hypothesis), a shard of another key or
of another form is absent, the least recently used goes first, foreign files stay, and writers do not disturb each
other."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.core.errors import UserError
from trajprobe.extract import shard_cache
from trajprobe.extract.shard_cache import ShardCache, shard_key

KEY = shard_key({"clips": "abc", "seed": 1})
NAMES = ("mid/mean", "mid/std")
YESTERDAY = time.time() - 25 * 3600


def shard(value: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "mid/mean": np.full((4, 3), value, np.float32),
        "mid/std": np.arange(8, dtype=np.float32).reshape(4, 2),
    }


def found(cache: ShardCache, key: str = KEY) -> dict[str, np.ndarray] | None:
    return cache.get(key, NAMES, (4, None))


def file_of(cache: ShardCache, key: str = KEY) -> Path:
    return Path(cache.place) / key[:2] / f"{key}.shard"


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    assert found(cache) is None
    cache.put(KEY, shard())
    arrays = found(cache)
    assert arrays is not None
    for name, array in shard().items():
        np.testing.assert_array_equal(arrays[name], array)
    assert found(cache, shard_key({"clips": "abc", "seed": 2})) is None


def test_keys_depend_on_content_and_not_on_its_order() -> None:
    assert shard_key({"a": 1, "b": [1, 2]}) == shard_key({"b": [1, 2], "a": 1})
    assert shard_key({"a": 1, "b": [1, 2]}) != shard_key({"a": 1, "b": [2, 1]})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: float, bit: int, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    content = bytearray(file_of(cache).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file_of(cache).write_bytes(content)
    assert found(cache) is None


@pytest.mark.parametrize("length", [0, 10, 32, 100])
def test_a_truncated_shard_is_noticed(length: int, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    file_of(cache).write_bytes(file_of(cache).read_bytes()[:length])
    assert found(cache) is None


def test_two_shards_that_were_swapped_are_both_absent(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    other = shard_key({"clips": "abc", "seed": 2})
    cache.put(KEY, shard(1.0))
    cache.put(other, shard(2.0))
    one, two = (file_of(cache, key).read_bytes() for key in (KEY, other))
    file_of(cache).write_bytes(two)
    file_of(cache, other).write_bytes(one)
    assert found(cache) is None
    assert found(cache, other) is None


MEAN, STD = shard().values()


@pytest.mark.parametrize(
    "arrays",
    [
        {"mid/mean": MEAN},
        {**shard(), "latent/mean": MEAN},
        {"mid/mean": MEAN, "mid/grid": STD},
        {"mid/mean": MEAN[:3], "mid/std": STD},
        {"mid/mean": MEAN[:, 0], "mid/std": STD},
        {"mid/mean": MEAN.astype(np.float64), "mid/std": STD},
        {"mid/mean": np.full_like(MEAN, np.nan), "mid/std": STD},
        {"mid/mean": np.full_like(MEAN, np.inf), "mid/std": STD},
    ],
)
def test_a_shard_that_is_not_what_the_caller_expects_is_absent(
    arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, arrays)
    assert found(cache) is None


def test_content_that_is_no_safetensors_is_absent_even_under_its_digest(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    file_of(cache).write_bytes(shard_cache._digest(KEY, b"garbage") + b"garbage")
    assert found(cache) is None


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ShardCache(tmp_path)
    keys = [shard_key({"number": number}) for number in range(4)]
    for age, key in enumerate(keys):
        cache.put(key, shard(age))
        os.utime(file_of(cache, key), (1000 + age, 1000 + age))
    size = file_of(cache, keys[0]).stat().st_size
    assert found(cache, keys[0]) is not None  # used: now the last to go
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", str(2.5 * size / 1e9))
    cache.prune()
    assert [found(cache, key) is not None for key in keys] == [True, False, False, True]
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "0")
    cache.prune()
    assert list(tmp_path.glob("*/*.shard")) == []


def test_the_scratch_of_a_killed_writer_is_removed_after_a_day(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    fresh, old = (tmp_path / KEY[:2] / f".{KEY}.shard.{name}.part" for name in ("fresh", "old"))
    for folder in (fresh, old):
        folder.mkdir()
        (folder / "half").write_bytes(b"half a shard")
    os.utime(old, (YESTERDAY, YESTERDAY))
    cache.prune()
    assert fresh.exists()
    assert not old.exists()
    assert found(cache) is not None


def test_pruning_touches_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even under a limit of nothing: foreign names, shards in the wrong place, whatever a link leads to."""
    cache = ShardCache(tmp_path / "cache")
    cache.put(KEY, shard())
    shards = Path(cache.place) / KEY[:2]
    outside = tmp_path / "outside" / "ab"
    outside.mkdir(parents=True)
    linked = "ab" + KEY[2:]
    kept = [
        shards / "notes.shard",
        shards / f"{KEY}.shard.txt",
        shards / f"{KEY.upper()}.shard",
        shards / f"ff{KEY[2:]}.shard",
        shards / ".notes.part",
        shards / "precious" / f"{KEY}.shard",
        Path(cache.place) / f"{KEY}.shard",
        Path(cache.place) / "photos" / f"{KEY}.shard",
        outside / f"{linked}.shard",
        outside / f".{linked}.shard.0.part" / "half",
        tmp_path / "outside" / "a shard",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of somebody else")
    (Path(cache.place) / "ab").symlink_to(outside)
    other = shard_key({"clips": "another"})
    links = [Path(cache.place) / other[:2] / f"{other}.shard", shards / f".{KEY}.shard.0.part"]
    links[0].parent.mkdir(exist_ok=True)
    links[0].symlink_to(tmp_path / "outside" / "a shard")
    links[1].symlink_to(outside)
    for path in tmp_path.rglob("*"):
        os.utime(path, (YESTERDAY, YESTERDAY))
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "0")
    cache.prune()
    assert not file_of(cache).exists()
    assert all(path.read_text() == "of somebody else" for path in kept)
    assert all(link.is_symlink() for link in links)


def test_pruning_a_cache_that_is_not_there(tmp_path: Path) -> None:
    ShardCache(tmp_path / "nowhere").prune()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", ["much", "-1", "nan", "inf"])
def test_an_impossible_limit_is_one_line(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", limit)
    with pytest.raises(UserError, match=f"TRAJPROBE_CACHE_LIMIT: must be a number of gigabytes.*'{limit}'"):
        ShardCache(tmp_path).prune()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file in the place of the folder")
    with pytest.raises(UserError, match="cannot store a finished shard"):
        ShardCache(tmp_path / "features").put(KEY, shard())


WRITER = """
import sys
import numpy as np
from pathlib import Path
from trajprobe.extract.shard_cache import ShardCache
for _ in range(60):
    ShardCache(Path(sys.argv[1])).put(sys.argv[2], {"a": np.arange(3000, dtype=np.float32)})
"""


def test_a_reader_never_sees_half_a_shard_while_others_write(tmp_path: Path) -> None:
    expected = np.arange(3000, dtype=np.float32)
    ShardCache(tmp_path).put(KEY, {"a": expected})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), KEY]) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        arrays = ShardCache(tmp_path).get(KEY, ["a"], (3000,))
        assert arrays is not None
        np.testing.assert_array_equal(arrays["a"], expected)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".shard"]
