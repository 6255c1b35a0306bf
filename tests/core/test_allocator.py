"""Freed memory is used again: the kernel counts the pages that a process touches for the first time."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from trajprobe.core.allocator import keep_freed_memory
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (40, 64, 100):
        np.ones(size * 2**20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
again = pages()
keep_freed_memory()
pages()
print(again, pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_an_array_of_the_size_of_a_freed_one_touches_no_new_page() -> None:
    """204 MB are 52,224 pages of 4 kB, or 102 of 2 MB."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 100
    assert after < before / 20
