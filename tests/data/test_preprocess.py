from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mnist_gan.data.idx import read_idx
from mnist_gan.data.preprocess import ImageForm, prepare_image
from mnist_gan.errors import DataError

Pixels = NDArray[np.uint8]


def encode(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def drawn(
    digit: str = "5",
    *,
    size: tuple[int, int] = (300, 200),
    ground: str = "white",
    ink: str = "black",
    height: int = 120,
    mode: str = "RGB",
) -> Image.Image:
    picture = Image.new(mode, size, ground)
    ImageDraw.Draw(picture).text((size[0] / 3, 20), digit, fill=ink, font=ImageFont.load_default(height))
    return picture


def prepared(picture: Image.Image, form: str = "PNG", **options: Any) -> Pixels:
    image = prepare_image(encode(picture, form, **options), resolution=28).image
    assert image.shape == (1, 28, 28)
    return image[0].numpy()


def steps(picture: Image.Image) -> tuple[str, ...]:
    return prepare_image(encode(picture), resolution=28).steps


def difference(image: Pixels, other: Pixels) -> float:
    """Mean difference in grey levels, at the best shift of at most one pixel."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return float(min(np.abs(np.roll(image, shift, (0, 1)).astype(int) - other).mean() for shift in shifts))


def mnist_like() -> Pixels:
    """A digit in MNIST's format."""
    return prepared(drawn("2"))


def test_prepare_image_converts_a_drawing_and_reports_the_steps() -> None:
    result = prepare_image(encode(drawn("5", size=(300, 200))), resolution=28)
    assert result.steps[0] == "inverted"
    assert result.steps[1].startswith("cropped 300x200 to ")
    width, height = map(int, result.steps[1].rsplit(" ", 1)[1].split("x"))
    assert result.steps[2] == f"resized {width}x{height} to {round(width * 20 / height)}x20"
    assert result.steps[3:] == ("centred by mass",)
    assert result.description == ", ".join(result.steps)

    image = result.image[0].numpy()
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == round(width * 20 / height)
    assert image[0, 0] == 0
    assert image.max() == 255
    assert len(np.unique(image)) > 20  # anti-aliased


def test_prepare_image_centres_by_mass_as_mnist() -> None:
    for digit in "1479":
        image = prepared(drawn(digit)).astype(float)
        for axis in (0, 1):
            centre = (image.sum(axis=1 - axis) * np.arange(28)).sum() / image.sum()
            assert 13.5 <= centre <= 14.5


def test_prepare_image_keeps_an_image_in_mnists_format() -> None:
    image = mnist_like()
    for mode in ("L", "RGB", "RGBA"):
        result = prepare_image(encode(Image.fromarray(image).convert(mode)), resolution=28)
        assert result.steps == ()
        assert result.description == "as it is"
        assert torch.equal(result.image[0], torch.from_numpy(image))


def test_prepare_image_only_inverts_an_inverted_digit() -> None:
    image = mnist_like()
    result = prepare_image(encode(Image.fromarray(255 - image)), resolution=28)
    assert result.steps == ("inverted",)
    assert torch.equal(result.image[0], torch.from_numpy(image))


def test_prepare_image_inverts_an_enlargement_by_an_integer() -> None:
    image = mnist_like()
    large = np.kron(image, np.ones((7, 7), np.uint8))
    np.testing.assert_array_equal(prepared(Image.fromarray(large)), image)
    padded = np.pad(255 - large, ((10, 200), (40, 3)), constant_values=255)
    np.testing.assert_array_equal(prepared(Image.fromarray(padded)), image)


@pytest.mark.parametrize(
    ("ground", "ink"),
    [("white", "black"), ("black", "white"), ("navy", "yellow"), ("lightgrey", "red"), ("#333", "#888")],
)
def test_prepare_image_hardly_depends_on_polarity_and_colour(ground: str, ink: str) -> None:
    assert difference(prepared(drawn(ground=ground, ink=ink)), prepared(drawn())) < 4


@pytest.mark.parametrize(
    ("form", "options", "tolerance"),
    [
        ("JPEG", {"quality": 60}, 6),
        ("WEBP", {"quality": 60}, 6),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("GIF", {}, 3),
        ("PPM", {}, 0),
    ],
)
def test_prepare_image_hardly_depends_on_the_file_format(form: str, options: dict[str, Any], tolerance: float) -> None:
    assert difference(prepared(drawn(), form, **options), prepared(drawn())) <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK"])
def test_prepare_image_hardly_depends_on_the_picture_mode(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert difference(prepared(drawn().convert(mode), form), prepared(drawn())) < 12


@pytest.mark.parametrize(("kind", "form"), [(np.uint16, "PNG"), (np.int32, "TIFF"), (np.float32, "TIFF")])
def test_prepare_image_rescales_more_than_8_bits(kind: type, form: str) -> None:
    grey = np.asarray(drawn().convert("L"))
    deep = Image.fromarray((grey.astype(np.float64) * 100).astype(kind))
    result = prepare_image(encode(deep, form), resolution=28)
    assert result.steps[0] == "converted to 8 bits"
    assert difference(result.image[0].numpy(), prepared(drawn())) < 1


@pytest.mark.parametrize("ink", ["black", "white"])
def test_prepare_image_uses_the_alpha_channel_of_a_drawing(ink: str) -> None:
    picture = drawn(ground="#00000000", ink=ink, mode="RGBA")
    assert steps(picture)[0] == "transparency filled"
    assert difference(prepared(picture), prepared(drawn())) < 4


def test_prepare_image_ignores_transparent_corners() -> None:
    card = drawn(mode="RGBA")
    ImageDraw.Draw(card).polygon([(0, 0), (60, 0), (0, 60)], fill="#00000000")
    assert difference(prepared(card), prepared(drawn())) < 1


def test_prepare_image_removes_uneven_light() -> None:
    paper = np.asarray(drawn("3", size=(400, 300)).convert("L")).astype(float)
    light = 210 - np.linspace(0, 80, 400)[None, :] - np.linspace(0, 30, 300)[:, None]
    noise = np.random.default_rng(0).normal(0, 6, paper.shape)
    photograph = Image.fromarray(np.clip(light * (0.3 + 0.7 * paper / 255) + noise, 0, 255).astype(np.uint8))
    image = prepared(photograph, "JPEG", quality=80)
    assert difference(image, prepared(drawn("3", size=(400, 300)))) < 8
    assert (image == 0).mean() > 0.5


def test_prepare_image_ignores_specks() -> None:
    picture = drawn()
    for place in ((2, 2), (297, 4), (5, 195)):
        ImageDraw.Draw(picture).point(place, fill="black")
    np.testing.assert_array_equal(prepared(picture), prepared(drawn()))


def test_prepare_image_stretches_the_contrast_of_a_thin_pen() -> None:
    picture = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(picture).line([(100, 50), (200, 50), (120, 250)], fill=0, width=1)
    assert "contrast stretched" in steps(picture)
    assert np.count_nonzero(prepared(picture) > 200) > 20


def test_prepare_image_reports_sizes_in_original_pixels() -> None:
    result = prepare_image(encode(drawn(size=(4000, 3000), height=1500), "JPEG"), resolution=28)
    assert result.steps[1].startswith("cropped 4000x3000 to ")
    width, height = map(int, result.steps[1].rsplit(" ", 1)[1].split("x"))
    assert 900 < height < 1200
    assert 500 < width < height


def test_prepare_image_applies_the_exif_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    sideways = drawn().transpose(Image.Transpose.ROTATE_90)
    result = prepare_image(encode(sideways, exif=exif.tobytes()), resolution=28)
    assert result.steps[0] == "rotated upright"
    np.testing.assert_array_equal(result.image[0].numpy(), prepared(drawn()))


def test_prepare_image_uses_the_first_frame() -> None:
    content = encode(drawn("5"), "GIF", save_all=True, append_images=[drawn("6"), drawn("7")])
    result = prepare_image(content, resolution=28)
    assert result.steps[0] == "first of 3 frames"
    np.testing.assert_array_equal(result.image[0].numpy(), prepared(drawn("5"), "GIF"))


def test_prepare_image_enlarges_tiny_and_narrow_images() -> None:
    tiny = np.zeros((8, 8), np.uint8)
    tiny[1:7, 3:5] = 255
    assert prepared(Image.fromarray(tiny)).max() > 200
    line = np.zeros((3, 200), np.uint8)
    line[1, 20:180] = 255
    assert np.count_nonzero(prepared(Image.fromarray(line))) >= 20


def test_prepare_image_makes_the_given_resolution() -> None:
    result = prepare_image(encode(drawn()), resolution=32)
    rows = np.flatnonzero(result.image[0].numpy().any(axis=1))
    assert result.image.shape == (1, 32, 32)
    assert np.ptp(rows) + 1 == round(32 * 20 / 28)


def test_prepare_image_keeps_colours_or_repeats_grey_in_three_channels() -> None:
    colours = np.stack([mnist_like(), np.roll(mnist_like(), 2), np.zeros((28, 28), np.uint8)], axis=-1)
    result = prepare_image(encode(Image.fromarray(colours)), resolution=28, channels=3)
    assert result.steps == ()
    assert torch.equal(result.image, torch.from_numpy(colours.transpose(2, 0, 1).copy()))
    grey = prepare_image(encode(drawn()), resolution=28, channels=3)
    assert grey.steps[-1] == "grey repeated in 3 channels"
    assert torch.equal(grey.image, prepare_image(encode(drawn()), resolution=28).image.expand(3, 28, 28))


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize("size", [(28, 28), (50, 40), (1, 1)])
def test_prepare_image_refuses_a_blank_image(tmp_path: Path, ground: int, size: tuple[int, int]) -> None:
    path = tmp_path / "empty.png"
    path.write_bytes(encode(Image.new("L", size, ground)))
    with pytest.raises(DataError, match=r"empty\.png is blank"):
        prepare_image(path, resolution=28)


def test_prepare_image_refuses_a_fully_transparent_image() -> None:
    with pytest.raises(DataError, match="is blank"):
        prepare_image(encode(Image.new("RGBA", (50, 50))), resolution=28)


def text_file(path: Path) -> None:
    path.write_text("seven")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def torn_file(path: Path) -> None:
    path.write_bytes(encode(drawn())[:300])


def damaged_file(path: Path) -> None:
    content = bytearray(encode(drawn()))
    content[60:80] = bytes(20)
    path.write_bytes(content)


def program_for_a_printer(path: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n")


def rare_kind_of_image(path: Path) -> None:
    path.write_bytes(encode(drawn(), "PCX"))  # Pillow reads it; each kind more is one more decoder to trust


@pytest.mark.parametrize(
    "make", [text_file, empty_file, torn_file, damaged_file, program_for_a_printer, rare_kind_of_image]
)
def test_prepare_image_names_a_file_that_is_no_image(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "seven.png")
    with pytest.raises(DataError, match=r"seven\.png is damaged or not a supported image; save it as PNG"):
        prepare_image(tmp_path / "seven.png", resolution=28)


def test_prepare_image_names_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png cannot be read: No such file"):
        prepare_image(tmp_path / "nowhere.png", resolution=28)
    with pytest.raises(DataError, match=r"cannot be read"):
        prepare_image(tmp_path, resolution=28)


def test_prepare_image_refuses_a_decompression_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    for size in ((150, 100), (1000, 1000)):  # Pillow warns of the first and refuses the second
        with pytest.raises(DataError, match="more than 10,000 pixels"):
            prepare_image(encode(Image.new("L", size)), resolution=28, name="bomb.png")


def test_prepare_image_refuses_a_huge_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mnist_gan.data.preprocess.MAX_FILE_BYTES", 1000)
    (tmp_path / "large.png").write_bytes(bytes(2000))
    with pytest.raises(DataError, match=r"large\.png has more than"):
        prepare_image(tmp_path / "large.png", resolution=28)


@pytest.mark.mnist
def test_prepare_image_restores_real_digits_from_large_inverted_pictures(mnist_dir: Path) -> None:
    images = read_idx(mnist_dir / "t10k-images-idx3-ubyte.gz").array[:200]
    differences = []
    for image in images:
        large = np.kron(255 - image, np.ones((10, 10), np.uint8))
        padded = np.pad(large, ((30, 90), (70, 10)), constant_values=255)
        differences.append(difference(prepared(Image.fromarray(padded)), image))
    assert np.mean(differences) < 1
    assert np.mean(np.array(differences) < 3) > 0.9


def digit(size, *, side, light):
    """A light or dark block of `side` x `side / 2` pixels on the opposite background."""
    pixels = np.full((size, size), 0 if light else 255, dtype=np.uint8)
    top, left = (size - side) // 2, (size - side // 2) // 2
    pixels[top : top + side, left : left + side // 2] = 255 if light else 0
    return pixels


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize(("resolution", "side"), [(28, 20), (32, 20), (28, 28)])
def test_image_form_measures_box_and_polarity(inverted, resolution, side):
    images = torch.from_numpy(np.stack([digit(resolution, side=side, light=not inverted)] * 3))[:, None]
    assert ImageForm.of(images) == ImageForm(box_share=side / resolution, inverted=inverted)


def test_image_form_of_blank_images_is_that_of_mnist():
    assert ImageForm.of(torch.zeros(5, 1, 28, 28, dtype=torch.uint8)) == ImageForm()


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("form", [ImageForm(box_share=20 / 32, inverted=True), ImageForm(box_share=20 / 32)])
def test_prepare_image_brings_files_to_the_form_of_a_data_set(tmp_path, light, form):
    Image.fromarray(digit(100, side=60, light=light)).save(tmp_path / "big.png")
    prepared = prepare_image(tmp_path / "big.png", resolution=32, form=form)
    assert ImageForm.of(prepared.image[None]) == form
    assert ("inverted" in prepared.steps) == (light == form.inverted)


@pytest.mark.parametrize("inverted", [False, True])
def test_prepare_image_leaves_an_image_in_the_form_unchanged(tmp_path, inverted):
    pixels = digit(32, side=20, light=not inverted)
    Image.fromarray(pixels).save(tmp_path / "fits.png")
    prepared = prepare_image(tmp_path / "fits.png", resolution=32, form=ImageForm(inverted=inverted))
    assert prepared.steps == ()
    assert np.array_equal(prepared.image[0].numpy(), pixels)
    other = prepare_image(tmp_path / "fits.png", resolution=32, form=ImageForm(inverted=not inverted))
    assert other.steps == ("inverted",)
