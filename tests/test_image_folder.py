"""Pictures in a folder a class: parts, names, sizes, kinds of pixels, what cannot be read."""

import sys

import numpy as np
import pytest

from fastnn.datasets import image_folder

Image = pytest.importorskip("PIL.Image")


def save(path, value=0, *, size=(6, 5), mode="L"):
    """Save a picture of one value; size is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size[::-1], value).save(path)


@pytest.fixture
def pets(tmp_path):
    for k in range(10):
        save(tmp_path / "cat" / f"{k}.png", 10 + k)
        save(tmp_path / "dog" / f"{k}.png", 100 + k)
    return tmp_path


def test_classes_are_folders_and_a_share_is_held_out(pets):
    data = image_folder(pets, grayscale=True)
    (x, y), (x_test, y_test) = data
    assert data.classes == ("cat", "dog")
    assert (x.shape, x.dtype, x_test.shape) == ((16, 1, 6, 5), np.float32, (4, 1, 6, 5))
    for images, labels in ((x, y), (x_test, y_test)):
        assert np.bincount(labels).tolist() == [len(labels) // 2] * 2
        np.testing.assert_array_equal(images[:, 0, 0, 0] * 255 >= 99, labels == 1)
    assert image_folder(pets)[0][0].shape == (16, 3, 6, 5)
    assert image_folder(pets, dtype="uint8")[0][0].dtype == np.uint8
    assert image_folder(pets, seed=1)[0][0].tobytes() != image_folder(pets)[0][0].tobytes()


def test_parts_train_and_test(tmp_path):
    for part, n in (("train", 3), ("test", 2)):
        for k, name in enumerate("ab"):
            for i in range(n):
                save(tmp_path / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0))
    (x, y), (x_test, y_test) = image_folder(tmp_path, dtype="uint8")
    assert x[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]
    assert (y.tolist(), y_test.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1])
    assert x_test[:, 0, 0, 0].tolist() == [50, 51, 150, 151]
    save(tmp_path / "test" / "c" / "0.png")
    with pytest.raises(ValueError, match=r"other classes than .*train: c;"):
        image_folder(tmp_path)


def test_sizes_and_what_is_passed_over(pets):
    save(pets / "cat" / "big.png", 15, size=(12, 30))
    (pets / "cat" / "notes.txt").write_text("no picture")
    (pets / "cat" / ".hidden.png").write_text("no picture")
    (pets / ".git").mkdir()
    save(pets / "dog" / "deeper" / "0.PNG", 105)
    with pytest.raises(ValueError, match=r"big\.png: is 12x30 .*6x5; give a size"):
        image_folder(pets)
    (x, _), (x_test, _) = image_folder(pets, size=(4, 8), grayscale=True, dtype="uint8")
    assert x.shape[1:] == (1, 4, 8)
    assert len(x) + len(x_test) == 22
    assert image_folder(pets, size=7)[0][0].shape[1:] == (3, 7, 7)
    for size, error in ((0, ValueError), ((4,), TypeError), ("8", TypeError), ((4, 5.0), TypeError)):
        with pytest.raises(error, match="image_folder: size is"):
            image_folder(pets, size=size)


def test_pixels_of_every_kind(tmp_path):
    red = (255, 0, 0)
    pictures = {
        "rgb.png": Image.new("RGB", (5, 5), red),
        "rgba.png": Image.new("RGBA", (5, 5), (*red, 128)),
        "palette.gif": Image.new("RGB", (5, 5), red).convert("P"),
        "deep.png": Image.fromarray(np.full((5, 5), 128 << 8, np.uint16)),
        "photo.bmp": Image.new("RGB", (5, 5), red),
    }
    for name, picture in pictures.items():
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / name)
        picture.save(tmp_path / name / f"again-{name}")
    (x, y), _ = image_folder(tmp_path, test_fraction=0.5, dtype="uint8")
    for image, label in zip(x, y, strict=True):
        expected = (128, 128, 128) if sorted(pictures)[label] == "deep.png" else red
        np.testing.assert_allclose(image[:, 2, 2], expected, atol=1)


def test_pictures_are_turned_as_the_camera_says(tmp_path):
    picture = Image.new("L", (4, 2), 0)
    picture.putpixel((0, 0), 255)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    for name in "ab":
        (tmp_path / name).mkdir()
        for k in range(3):
            picture.save(tmp_path / name / f"{k}.png", exif=exif)
    (x, _), _ = image_folder(tmp_path, grayscale=True, dtype="uint8")
    assert x.shape[1:] == (1, 4, 2)
    assert x[0, 0, 0].tolist() == [0, 255]


def test_unreadable_pictures_are_all_named(pets):
    whole = (pets / "cat" / "1.png").read_bytes()
    (pets / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    (pets / "dog" / "2.png").write_bytes(b"no picture")
    (pets / "dog" / "3.png").write_bytes(b"")
    with pytest.raises(ValueError, match="3 pictures cannot be read") as caught:
        image_folder(pets)
    message = str(caught.value)
    for name in ("cat/1.png (", "dog/2.png (no picture)", "dog/3.png (no picture)"):
        assert name in message.replace("\\", "/")
    for k in range(10):
        (pets / "dog" / f"{k}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"11 pictures .* and 6 more"):
        image_folder(pets)


def test_a_picture_of_too_many_pixels_is_refused(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match="20 pictures cannot be read"):
        image_folder(pets)


def test_folders_without_classes_or_pictures(tmp_path, pets):
    with pytest.raises(FileNotFoundError):
        image_folder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        image_folder(pets / "cat" / "0.png")
    with pytest.raises(ValueError, match="has 0 folders of pictures"):
        image_folder(pets / "cat")
    (pets / "bird").mkdir()
    with pytest.raises(ValueError, match="no pictures in the class folder bird"):
        image_folder(pets)


def test_without_pillow_the_message_says_what_to_install(pets, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r'image_folder: .*pip install "fastnn-numba\[images\]"'):
        image_folder(pets)
