"""Images beneath the paths: closed forms of cropping and scaling, which image an item gets, and one-line refusals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trajprobe.core.errors import UserError
from trajprobe.render import backgrounds
from trajprobe.render.backgrounds import cover, load_backgrounds
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import make_scene, render_batches, render_clip

Section = Callable[..., RenderParams]
FOLDER = Path("data/backgrounds")
PATH, TIMES = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FOLDER.mkdir(parents=True)
    return FOLDER


def saved(name: str, pixels: np.ndarray, **options: object) -> str:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path.as_posix()


def flat(grey: int, height: int = 32, width: int = 32) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


def test_a_picture_covers_the_frame_and_its_centre_is_kept() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (32, 80, 3), np.uint8)
    middle = wide[:, 24:56].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(cover(wide, 16), middle, atol=0.51)
    np.testing.assert_array_equal(cover(wide.transpose(1, 0, 2), 16), cover(wide, 16).transpose(1, 0, 2))
    np.testing.assert_array_equal(cover(flat(77, 3, 5), 64), flat(77, 64, 64))


def test_the_path_is_drawn_over_the_picture(section: Section) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    render = section(size=32, frames=3, background=saved("a.png", picture))
    scene = make_scene([PATH], [TIMES], render)
    clip = render_clip(PATH, TIMES, render, 0, scene=scene)
    untouched = (clip == picture).all(axis=-1)
    assert untouched[0].mean() > 0.8
    corner = clip[:, :3, -3:]
    np.testing.assert_array_equal(corner, np.broadcast_to(picture[:3, -3:], corner.shape))
    plain = section(size=32, frames=3, background="#000000")
    drawn = (render_clip(PATH, TIMES, plain, 0) > 0).any(axis=-1)
    assert (untouched | drawn).all()


def test_each_item_draws_one_by_the_seed_alone(section: Section) -> None:
    for number in range(4):
        saved(f"street/{number}.png", flat(10 * number))
    (FOLDER / "street/.gitignore").write_text("*.png\n")
    (FOLDER / "street/more.dvc").write_text("outs: []\n")
    render = section(size=32, frames=2, background="data/backgrounds/street", trail="none")

    def corners(render: RenderParams) -> np.ndarray:
        (clips,) = render_batches([PATH] * 60, [TIMES] * 60, render)
        return clips[:, 0, 0, -1, 0]

    found = corners(render)
    np.testing.assert_array_equal(corners(render), found)
    assert set(found) == {0, 10, 20, 30}
    assert (np.bincount(found // 10) > 4).all()  # each is expected 15 times, with a deviation of 3.4
    assert (corners(render.model_copy(update={"seed": 1})) != found).any()
    # Another image changes the pictures, but neither the camera nor the clutter.
    np.testing.assert_array_equal(corners(section(size=32, background="data/backgrounds"))[:3] % 10, 0)


def test_photographs_are_turned_and_transparency_is_black(section: Section) -> None:
    tall = np.zeros((40, 20, 3), np.uint8)
    tall[:20] = 200
    exif = Image.Exif()
    exif[0x0112] = 8  # the camera was held upright, turned to the right
    saved("turned.jpg", tall, exif=exif, quality=95)
    clear = np.full((32, 32, 4), 255, np.uint8)
    clear[:16, :, 3] = 0
    saved("clear.png", clear)
    pictures = load_backgrounds(section(size=16, background="data/backgrounds"))
    assert pictures is not None
    assert list(pictures[0, [2, 13], 8, 0]) == [0, 255]
    left, right = pictures[1, 8, [2, 13], 0].tolist()
    assert left > 150
    assert right < 50


def test_clutter_takes_the_mean_colour_of_the_picture(section: Section) -> None:
    render = section(size=64, frames=2, static=3, background=saved("grey.png", flat(60)))
    plain = render.model_copy(update={"background": "#3c3c3c"})
    scene = make_scene([PATH], [TIMES], render)
    np.testing.assert_array_equal(
        render_clip(PATH, TIMES, render, 0, scene=scene), render_clip(PATH, TIMES, plain, 0)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: None, "but it is missing"),
        (lambda: (FOLDER / "x").mkdir(), "contains no image"),
        (lambda: (FOLDER / "x").write_text("not one"), "expected an image, got something else"),
        (lambda: (FOLDER / "x").write_bytes(b""), "expected an image, got something else"),
        (lambda: cut("x"), "cannot be read as an image"),
        (lambda: saved_as("x", np.zeros((8, 8), np.uint16)), "got one of mode I;16"),
        (lambda: animation("x"), "got an animation of 2 frames"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(
    section: Section, make: Callable[[], None], message: str
) -> None:
    make()
    with pytest.raises(UserError, match=message) as caught:
        load_backgrounds(section(background="data/backgrounds/x"))
    assert str(caught.value).startswith("data/backgrounds/x")
    assert "\n" not in str(caught.value)


def saved_as(name: str, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(FOLDER / name, format="PNG")


def cut(name: str) -> None:
    saved_as(name, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    whole = (FOLDER / name).read_bytes()
    (FOLDER / name).write_bytes(whole[: len(whole) // 2])


def animation(name: str) -> None:
    frames = [Image.fromarray(flat(grey)) for grey in (0, 200)]
    frames[0].save(FOLDER / name, format="GIF", save_all=True, append_images=frames[1:])


def test_large_pictures_and_large_folders_are_refused(
    section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        saved(f"{number}.png", flat(number, 40, 40))
    monkeypatch.setattr(backgrounds, "MEMORY", 2 * 3 * 16**2)
    with pytest.raises(UserError, match=r"at most 2 images for clips of 16 pixels .* got 3"):
        load_backgrounds(section(size=16, background="data/backgrounds"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"0\.png: expected at most 1000 pixels"):
        load_backgrounds(section(size=16, background="data/backgrounds/0.png"))


def test_noise_needs_no_background(section: Section) -> None:
    render = section(content="noise", background="data/backgrounds/missing")
    assert next(render_batches([PATH], [TIMES], render)).shape == (1, 5, 128, 128, 3)
