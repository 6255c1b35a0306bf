"""A `render` section as params.yaml has it, with a few keys changed."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from trajprobe.core.schema import validate
from trajprobe.render.params import RenderParams

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def section() -> Callable[..., RenderParams]:
    """Builds a RenderParams; keyword arguments change keys, those of `camera` and `clutter` by name alone."""
    committed: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())["render"]

    def build(**changes: Any) -> RenderParams:
        content = copy.deepcopy(committed)
        for key, value in changes.items():
            inner = next((name for name in ("camera", "clutter") if key in content[name]), None)
            (content[inner] if inner else content)[key] = value
        return validate(RenderParams, content, "test")

    return build


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
