"""`trajprobe cache` against a cache made by the code that fills it: sizes, damage, and what stays."""

import os
from pathlib import Path

import numpy as np
import pytest

from servers import Server
from trajprobe.commands import cached
from trajprobe.core.errors import UserError
from trajprobe.download.cache import download
from trajprobe.extract.shard_cache import ShardCache, shard_key


def filled(folder: Path, count: int = 3) -> list[Path]:
    """Shards of 4 kB, the first the least recently used."""
    cache = ShardCache(folder / "features")
    made = []
    for number in range(count):
        key = shard_key({"number": number})
        cache.put(key, {"mid/mean": np.full((10, 100), number, np.float32)})
        path = folder / "features" / key[:2] / f"{key}.shard"
        os.utime(path, (1e9 + number, 1e9 + number))
        made.append(path)
    return made


def fetched(server: Server, name: str = "weights.bin") -> Path:
    return download(server.put(f"/{name}", b"w" * 1000)).path


def test_an_empty_cache_is_no_error(download_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cached.show_cache()
    assert "0 shards" in capsys.readouterr().out
    assert cached.verify_cache() == "0 files are whole"
    assert cached.prune_cache(0, downloads=True, damaged=True) == "removed: nothing; 0.00 GB"


def test_what_there_is_is_listed(
    download_cache: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "7")
    filled(download_cache)
    path = fetched(server)
    path.with_name("other.bin.01234567.part").write_bytes(b"half")
    cached.show_cache()
    printed = capsys.readouterr().out
    assert "3 shards" in printed
    assert "weights.bin" in printed
    assert f"{server.url}/weights.bin" in printed
    assert "other.bin.01234567.part, unfinished" in printed
    assert "beyond 7 GB" in printed


def test_the_least_recently_used_shards_go_first_and_nothing_else(
    download_cache: Path, server: Server
) -> None:
    shards, path = filled(download_cache), fetched(server)
    (download_cache / "features/ab").mkdir(exist_ok=True)
    mine = download_cache / "features/ab/my_model.pt"
    mine.write_text("precious")
    size = shards[0].stat().st_size
    assert cached.prune_cache(2.5 * size / 1e9, downloads=False, damaged=False).startswith(
        "removed: 1 shards;"
    )
    assert [shard.exists() for shard in shards] == [False, True, True]
    assert cached.prune_cache(0, downloads=True, damaged=False).startswith("removed: 2 shards, 1 downloads;")
    assert not path.exists()
    assert mine.read_text() == "precious"


def test_damage_is_found_and_made_good_by_the_next_use(download_cache: Path, server: Server) -> None:
    shards, path = filled(download_cache), fetched(server)
    assert cached.verify_cache() == "4 files are whole"
    for damaged in (shards[1], path):
        content = bytearray(damaged.read_bytes())
        content[-1] ^= 1
        damaged.write_bytes(content)
    with pytest.raises(UserError, match="as are 1 more of 4 files; `trajprobe cache prune --damaged`"):
        cached.verify_cache()
    assert cached.prune_cache(None, downloads=False, damaged=True).startswith(
        "removed: 1 shards, 1 downloads;"
    )
    assert [shard.exists() for shard in shards] == [True, False, True]
    assert cached.verify_cache() == "2 files are whole"
    assert fetched(server) == path
    assert cached.verify_cache() == "3 files are whole"


def test_a_download_in_progress_stays(download_cache: Path, server: Server) -> None:
    from filelock import FileLock

    path = fetched(server)
    with FileLock(path.with_name(f"{path.name}.lock")):
        assert cached.prune_cache(None, downloads=True, damaged=False) == "removed: nothing; 0.00 GB"
    assert path.exists()
