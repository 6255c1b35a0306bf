"""The schema against its contract: what DVC writes is read, and each mistake is one line that names key and remedy."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.core.errors import UserError
from trajprobe.core.schema import Positive, Section, load, validate
from trajprobe.params import Params, load_params

ROOT = Path(__file__).parents[1]
GOOD: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def changed(key: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    *sections, last = key.split(".")
    target = content
    for section in sections:
        target = target[section]
    target[last] = value
    return content


def refusal(key: str, value: Any) -> str:
    with pytest.raises(UserError) as caught:
        validate(Params, changed(key, value), "params.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("params.yaml: ")
    return message


def test_the_committed_params_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert load_params().encoders == GOOD["encoders"]


@given(st.floats(min_value=1e-300, max_value=1e300, allow_subnormal=False))
def test_a_float_as_dvc_writes_it_is_read_back(value: float) -> None:
    # DVC dumps with YAML 1.2 floats (`1e-05`), which PyYAML, a 1.1 reader, takes for strings.
    class One(Section):
        number: Positive

    for written in (value, f"{value:e}", f"{value:.17e}"):
        assert validate(One, {"number": written}, "").number == pytest.approx(value, rel=1e-6)


def test_a_float_through_dvc_itself(tmp_path: Path) -> None:
    from dvc.utils.serialize import dump_yaml

    file = tmp_path / "params.yaml"
    dump_yaml(file, changed("probe.l2_grid.low", 1e-05))
    assert "1e-05" in file.read_text()
    assert load(Params, file).probe.l2_grid.low == 1e-5


def test_an_unknown_key_comes_with_the_nearest_names() -> None:
    assert "unknown key render.frame; did you mean frames?" in refusal("render.frame", 5)
    assert "unknown key wieghts; did you mean weights" in refusal("wieghts", "random")
    assert "unknown key probe.l2_grid.hihg; did you mean high" in refusal("probe.l2_grid.hihg", 1.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("render.frames", "five"),
        ("render.frames", 5.0),
        ("render.frames", True),
        ("render.frames", 0),
        ("render.size", 8),
        ("render.trail", "long"),
        ("render.background", "black"),
        ("render.background", "photos/street.jpg"),
        ("render.background", "data/backgrounds/../../secret"),
        ("render.background", "data/backgroundsx"),
        ("render.background", "/data/backgrounds/a.png"),
        ("render.fit", "all"),
        ("render.time", "clip"),
        ("render.trail_colour", "jet"),
        ("render.frames", 10**9),
        ("render.frames", 4097),
        ("render.size", 1025),
        ("render.noise", 1e300),
        ("render.clutter.static", 10**8),
        ("synthesis.per_class", 10**9),
        ("synthesis.points", [32, 10**9]),
        ("synthesis.speed", [1e-300, 1.0]),
        ("synthesis.noise", 1e300),
        ("render.camera.azimuth", [90, 10]),
        ("render.camera.azimuth", float("nan")),
        ("synthesis.noise", -0.1),
        ("synthesis.noise", float("inf")),
        ("synthesis.speed", [1.5, 0.5]),
        ("synthesis.points", [10.5, 20]),
        ("synthesis.families", ["linear"]),
        ("extract.random_inits", 0),
        ("extract.layer", []),
        ("probe.folds", 1),
        ("probe.l2_grid.low", 1e9),
        ("compare.confidence", 1.0),
        ("compare.rope", "1e-05x"),
        ("encoders", []),
        ("encoders", ["a", "a"]),
        ("encoders", ["with-dash"]),
        ("encoders", "magvit2_mini"),
        ("weights", "none"),
        ("render", None),
        ("render", 3),
    ],
)
def test_an_impossible_value_is_refused_and_named(key: str, value: Any) -> None:
    message = refusal(key, value)
    assert key.split(".")[0] in message
    assert "got" in message


def test_too_few_initialisations_to_plant_into_are_refused_before_they_are_extracted() -> None:
    content = changed("analyse.injection", True)
    content["extract"]["random_inits"] = 2
    with pytest.raises(
        UserError, match=r"^params.yaml: .*at least 3 for extract.random_inits where analyse.injection"
    ):
        validate(Params, content, "params.yaml")
    content["extract"]["random_inits"] = 3
    validate(Params, content, "params.yaml")


def test_a_missing_key_is_named() -> None:
    content = copy.deepcopy(GOOD)
    del content["render"]["size"]
    with pytest.raises(UserError, match=r"render\.size is missing"):
        validate(Params, content, "params.yaml")


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "\x00", "text"])
def test_a_file_that_is_no_mapping_is_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load(Params, file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load(Params, tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("encoders", ["magvit2_mimi"], "encoders: no card for 'magvit2_mimi'; did you mean magvit2_mini"),
        ("source", "libra", "source: no card for 'libra'; did you mean libras"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(
    key: str, value: Any, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(changed(key, value)))
    with pytest.raises(UserError) as caught:
        load_params(file)
    assert expected in str(caught.value)


def test_what_would_not_fit_into_memory_is_refused_before_anything_is_allocated() -> None:
    content = changed("render.frames", 86)
    content["render"]["size"] = 1024
    with pytest.raises(
        UserError, match=r"render\.frames: required at most 85 frames of 1024 x 1024 pixels \(256 MB"
    ):
        validate(Params, content, "params.yaml")
    content["render"]["frames"] = 85
    validate(Params, content, "params.yaml")
    message = refusal("synthesis.per_class", 10**6)  # 4 families, 64 points
    assert "at most 200,000,000 points in all, not 256,000,000" in message


@pytest.mark.parametrize("value", ["#0B1020", "data/backgrounds", "data/backgrounds/street/a b.jpg"])
def test_a_background_is_a_colour_or_lies_where_dvc_watches(value: str) -> None:
    assert validate(Params, changed("render.background", value), "").render.background == value
