"""The shard cache: what was put comes back, whatever byte is flipped is noticed (hypothesis), the least recently used
goes first, and writers do not disturb each other."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.errors import UserError
from trajprobe.features.cache import ShardCache, shard_key

KEY = shard_key({"clips": "abc", "seed": 1})


def shard(value: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "mid/mean": np.full((4, 3), value, np.float32),
        "mid/std": np.arange(8, dtype=np.float32).reshape(4, 2),
    }


def only_file(cache: ShardCache) -> Path:
    (path,) = cache.folder.glob("*/*.shard")
    return path


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    assert cache.get(KEY) is None
    cache.put(KEY, shard())
    found = cache.get(KEY)
    assert found is not None
    for name, array in shard().items():
        np.testing.assert_array_equal(found[name], array)
    assert cache.get(shard_key({"clips": "abc", "seed": 2})) is None


def test_keys_see_content_and_not_the_order_of_writing() -> None:
    assert shard_key({"a": 1, "b": [1, 2]}) == shard_key({"b": [1, 2], "a": 1})
    assert shard_key({"a": 1, "b": [1, 2]}) != shard_key({"a": 1, "b": [2, 1]})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: float, bit: int, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    path = only_file(cache)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("length", [0, 10, 32, 100])
def test_a_truncated_shard_is_noticed(length: int, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    path = only_file(cache)
    path.write_bytes(path.read_bytes()[:length])
    assert cache.get(KEY) is None


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ShardCache(tmp_path)
    keys = [shard_key({"number": number}) for number in range(4)]
    for age, key in enumerate(keys):
        cache.put(key, shard(age))
        path = cache.folder / key[:2] / f"{key}.shard"
        os.utime(path, (1000 + age, 1000 + age))
        size = path.stat().st_size
    assert cache.get(keys[0]) is not None  # used: now the youngest
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", str(2.5 * size / 1e9))
    cache.prune()
    assert [cache.get(key) is not None for key in keys] == [True, False, False, True]
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "0")
    cache.prune()
    assert list(tmp_path.glob("*/*.shard")) == []


def test_leftovers_of_a_killed_write_are_swept_up_after_a_day(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.put(KEY, shard())
    fresh, old = (tmp_path / "ab" / f".{name}.part" for name in ("fresh", "old"))
    for folder in (fresh, old):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"half a shard")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    cache.prune()
    assert fresh.exists()
    assert not old.exists()
    assert cache.get(KEY) is not None


@pytest.mark.parametrize("limit", ["much", "-1", "nan", "inf"])
def test_an_impossible_limit_is_told(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", limit)
    with pytest.raises(UserError, match=f"TRAJPROBE_CACHE_LIMIT: must be a number of gigabytes.*'{limit}'"):
        ShardCache(tmp_path).prune()


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot keep a finished shard"):
        ShardCache(tmp_path / "features").put(KEY, shard())


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path))
    assert ShardCache.default().folder == tmp_path / "features"
    monkeypatch.delenv("TRAJPROBE_CACHE")
    assert ShardCache.default().folder == Path.home() / ".cache" / "trajprobe" / "features"


WRITER = """
import sys
import numpy as np
from pathlib import Path
from trajprobe.features.cache import ShardCache
for _ in range(60):
    ShardCache(Path(sys.argv[1])).put(sys.argv[2], {"a": np.arange(3000, dtype=np.float32)})
"""


def test_a_reader_never_sees_half_a_shard_while_others_write(tmp_path: Path) -> None:
    expected = np.arange(3000, dtype=np.float32)
    ShardCache(tmp_path).put(KEY, {"a": expected})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), KEY]) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        found = ShardCache(tmp_path).get(KEY)
        assert found is not None
        np.testing.assert_array_equal(found["a"], expected)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".shard"]
