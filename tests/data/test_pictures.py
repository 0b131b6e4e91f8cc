"""Images and what belongs to them: read from wherever users have them, and told of where they cannot be read."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unrolled.data import found, name_images, passed_over, pictures
from unrolled.data.images import fitted, image_of
from unrolled.errors import ConfigError, DataError

GREY, RGB = (1, 6, 5), (3, 6, 5)


def drawn(seed: int = 0, size: tuple[int, int] = (5, 6), mode: str = "RGB") -> Image.Image:
    """An image of noise, width and height as Pillow has them."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values, mode=None).convert(mode)


def as_file(image: Image.Image, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A PNG that claims so many pixels, and has none of them."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def read(names, shape=RGB, **options):
    with found([str(one) for one in ([names] if not isinstance(names, list) else names)]) as places:
        return pictures(places, shape, **options)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        drawn(number).save(tmp_path / f"{number}.png")
    return tmp_path


class TestOneImage:
    def test_it_keeps_its_pixels_where_it_has_the_size(self):
        image = drawn(mode="RGB")
        assert np.array_equal(image_of(as_file(image), "x", RGB), np.asarray(image).transpose(2, 0, 1))

    def test_it_is_scaled_and_cut_around_its_middle(self):
        wide = np.zeros((6, 21, 3), dtype=np.uint8)
        wide[:, 8:13] = 200  # the five columns in the middle
        assert (image_of(as_file(Image.fromarray(wide)), "x", RGB) == 200).all()

    def test_it_is_padded_with_what_stands_at_its_edge(self):
        tall = np.random.default_rng(0).integers(0, 256, (6, 2, 3), dtype=np.uint8)
        pixels, fits = fitted(as_file(Image.fromarray(tall)), "x", RGB, "pad")
        columns = [0, 0, 1, 1, 1]  # three more: one to the left, two to the right
        assert np.array_equal(pixels, tall[:, columns].transpose(2, 0, 1))
        assert not fits
        wide = np.random.default_rng(1).integers(0, 256, (3, 5, 3), dtype=np.uint8)
        pixels, _ = fitted(as_file(Image.fromarray(wide)), "x", RGB, "pad")
        assert np.array_equal(pixels, wide[[0, 0, 1, 2, 2, 2]].transpose(2, 0, 1))

    def test_it_is_stretched(self):
        image = drawn(size=(20, 6))
        pixels, fits = fitted(as_file(image), "x", RGB, "stretch")
        wanted = np.asarray(image.resize((5, 6), Image.Resampling.BILINEAR))
        assert np.array_equal(pixels, wanted.transpose(2, 0, 1))
        assert not fits

    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    def test_an_image_of_that_ratio_is_only_scaled(self, fit):
        content = as_file(drawn(size=(15, 18)))
        pixels, fits = fitted(content, "x", RGB, fit)
        assert fits
        assert np.array_equal(pixels, image_of(content, "x", RGB))

    def test_an_image_that_nearly_has_that_ratio_has_another(self):
        assert not fitted(as_file(drawn(size=(50, 61))), "x", RGB, "pad")[1]

    @pytest.mark.parametrize(("size", "within"), [((2, 2), (5, 5)), ((7, 4), (5, 3)), ((2, 9), (1, 6))])
    def test_what_is_padded_is_as_large_as_there_is_room(self, size, within):
        image = drawn(size=size)
        scaled = np.asarray(image.resize(within, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        left, top = (5 - within[0]) // 2, (6 - within[1]) // 2
        pixels = image_of(as_file(image), "x", RGB, "pad")
        assert np.array_equal(pixels[:, top : top + within[1], left : left + within[0]], scaled)

    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (7, 5)])
    def test_every_image_has_room(self, size, fit):
        content = as_file(Image.new("RGB", size, (9, 80, 200)))
        pixels, _ = fitted(content, "x", RGB, fit)
        assert pixels.shape == RGB
        assert (pixels == np.array([9, 80, 200], dtype=np.uint8)[:, None, None]).all()

    def test_its_sides_are_those_that_its_camera_says(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert fitted(as_file(drawn(size=(6, 5)), exif=exif), "x", RGB, "crop")[1]
        assert not fitted(as_file(drawn(size=(6, 5))), "x", RGB, "crop")[1]

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
    def test_every_way_to_hold_colours_is_read(self, mode):
        grey = Image.new("L", (5, 6), 128)
        of_type = {"I;16": (np.uint16, 128 * 257), "I": (np.int32, 128 * 257), "F": (np.float32, 128 / 255)}
        kind, value = of_type.get(mode, (np.uint8, 128))
        image = grey.convert(mode) if mode not in of_type else Image.fromarray(np.full((6, 5), value, dtype=kind))
        form = {"CMYK": "TIFF", "I": "TIFF", "F": "TIFF"}.get(mode, "PNG")
        pixels = image_of(as_file(image, form), "x", GREY)
        assert pixels.shape == GREY
        assert abs(float(pixels.mean()) - 128) < (128 if mode == "1" else 3)

    def test_what_is_transparent_is_white(self):
        clear = Image.new("RGBA", (5, 6), (10, 20, 30, 0))
        assert (image_of(as_file(clear), "x", RGB) == 255).all()

    def test_it_is_turned_as_its_camera_says(self):
        image = Image.new("RGB", (6, 5))
        image.putpixel((0, 0), (255, 255, 255))
        exif = Image.Exif()
        exif[0x0112] = 6  # a quarter to the right
        pixels = image_of(as_file(image, exif=exif), "x", RGB)
        assert pixels[:, 0, -1].tolist() == [255, 255, 255]

    def test_of_several_pictures_in_a_file_the_first_counts(self):
        first, second = Image.new("L", (5, 6), 0), Image.new("L", (5, 6), 255)
        content = as_file(first, "GIF", save_all=True, append_images=[second])
        assert image_of(content, "x", GREY).max() == 0

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "x is empty"),
            (b"\x00\x01\x02 not an image", "no image, or it is damaged"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image, or it is damaged"),
            (as_file(drawn(size=(90, 80)))[:2000], "no image, or it is damaged"),
            (claiming(60_000, 60_000), "no image, or it is damaged"),
            (claiming(9_000, 9_000), "claims 9,000 x 9,000 pixels"),
            (claiming(0, 5), "x"),
            (claiming(5, 6), "no image, or it is damaged"),
        ],
    )
    def test_what_is_none_is_told_of(self, content, told):
        with pytest.raises(DataError, match=told):
            image_of(content, "x", RGB)

    def test_other_numbers_of_channels_are_refused(self):
        with pytest.raises(ConfigError, match="2 channels"):
            image_of(as_file(drawn()), "x", (2, 6, 5))

    def test_without_pillow_it_is_said_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "PIL", None)
        with pytest.raises(ConfigError, match=r"unrolled\[images\]"):
            image_of(b"x", "x", RGB)

    @pytest.mark.parametrize("value", [np.nan, np.inf, 300.0, -5.0])
    def test_grey_values_that_nobody_knows_how_to_read_are_refused(self, value):
        values = np.full((6, 5), 0.5, dtype=np.float32)
        values[2, 2] = value
        with pytest.raises(DataError, match="go beyond 0 to 1: write it with bytes"):
            image_of(as_file(Image.fromarray(values), "TIFF"), "x", GREY)


class TestTables:
    def test_an_image_that_has_two_names_is_told_of(self, folder):
        (folder / "t.tsv").write_text("image\tcaption\n0.png\ta cat\n./0.png\tsome cat\n")
        with pytest.raises(DataError, match=r"t\.tsv, line 3 and .*line 2 are about the same image"):
            read(folder / "t.tsv")

    def test_lines_of_one_image_are_its_captions(self, folder):
        (folder / "t.tsv").write_text("image\tcaption\n0.png\ta cat\n1.png\ta dog\n0.png\tsome cat\n")
        first, second = read(folder / "t.tsv")
        assert first.texts == ("a cat", "some cat")
        assert second.texts == ("a dog",)
        assert second.where == f"{folder / 't.tsv'}, line 3: {folder / '1.png'}"
        assert np.array_equal(first.pixels, np.asarray(drawn(0)).transpose(2, 0, 1))

    def test_columns_can_be_named_and_images_lie_elsewhere(self, folder, tmp_path):
        table = tmp_path / "deep" / "t.csv"
        table.parent.mkdir()
        table.write_text("id,what,where\n1,a cat,2.png\n")
        (one,) = read(table, image="where", text="2", folder=folder)
        assert one.texts == ("a cat",)

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ("image\tcaption\nnone.png\ta cat\n", "t.tsv, line 2: there is no image .*none.png"),
            ("image\tcaption\n0.png\t \n", "line 2: the text is empty"),
            ("image\tcaption\n\ta cat\n", "line 2: the name of the image is empty"),
            ("image\tcaption\nt.tsv\ta cat\n", "t.tsv.* is no image"),
            ("image\tcaption\n0.png\n", "line 2 has 1 columns"),
            ("", "t.tsv is empty"),
            ("image\tcaption\n", "no image in it"),
            (f"image\tcaption\n{'a' * 300}.png\ta\n", "there is no image"),
        ],
    )
    def test_what_cannot_be_read_is_told_of(self, folder, lines, told):
        (folder / "t.tsv").write_text(lines)
        with pytest.raises(DataError, match=told):
            read(folder / "t.tsv")


class TestCoco:
    @staticmethod
    def file(folder, **changed):
        content = {
            "images": [{"id": 7, "file_name": "0.png"}, {"id": 8, "file_name": "1.png"}],
            "annotations": [
                {"image_id": 8, "caption": "a dog"},
                {"image_id": 7, "caption": "a cat"},
                {"image_id": 8, "caption": "one dog"},
            ],
        } | changed
        path = folder / "captions_val.json"
        path.write_text(json.dumps(content))
        return path

    def test_captions_find_their_images(self, folder):
        found = {one.texts: one.pixels for one in read(self.file(folder))}
        assert set(found) == {("a dog", "one dog"), ("a cat",)}
        assert np.array_equal(found[("a cat",)], np.asarray(drawn(0)).transpose(2, 0, 1))

    def test_it_names_images(self, folder):
        with found([str(self.file(folder))]) as places:
            assert name_images(places)
        with found([str(folder / "0.png")]) as places:
            assert not name_images(places)

    @pytest.mark.parametrize("annotations", [None, [], [{"image_id": 8, "caption": "a dog"}]])
    def test_images_that_are_told_of_need_no_captions(self, folder, annotations):
        found = read(self.file(folder, annotations=annotations), has_texts=False)
        assert [one.texts for one in found] == [(), ()]
        assert found[0].where.endswith(f"images[0]: {folder / '0.png'}")
        assert np.array_equal(found[0].pixels, np.asarray(drawn(0)).transpose(2, 0, 1))

    def test_images_lie_in_a_folder_beside_that_of_the_captions(self, tmp_path):
        (tmp_path / "annotations").mkdir()
        (tmp_path / "val").mkdir()
        for number in range(2):
            drawn(number).save(tmp_path / "val" / f"{number}.png")
        assert len(read(self.file(tmp_path / "annotations"))) == 2

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"images": None}, "wanted COCO's captions"),
            ({"annotations": [{"image_id": 9, "caption": "x"}]}, r"annotations\[0\]: there is no image whose id is 9"),
            ({"annotations": [{"image_id": 7, "text": "x"}]}, r"annotations\[0\]: 'caption' is missing"),
            ({"annotations": [{"image_id": 7, "caption": "  "}]}, r"annotations\[0\]: its caption is"),
            ({"annotations": [{"image_id": 7, "caption": ["x"]}]}, r"annotations\[0\]: its caption is"),
            ({"annotations": [{"image_id": 7, "caption": "a \ud83d"}]}, r"annotations\[0\]: its caption is"),
            ({"images": [{"id": 7, "file_name": "a" * 300}]}, "there is no image"),
            ({"annotations": [3]}, r"annotations\[0\]: 'image_id' is missing \(it is no object\)"),
            ({"images": [{"id": 7}]}, r"images\[0\]: 'file_name' is missing"),
            ({"images": [{"id": 7, "file_name": "a"}] * 2}, r"images\[1\]: its id 7 is that of another"),
            (
                {"images": [{"id": 7, "file_name": "no.png"}], "annotations": [{"image_id": 7, "caption": "x"}]},
                "no.png",
            ),
            ({"annotations": []}, "no image in it"),
        ],
    )
    def test_other_files_are_told_of(self, folder, changed, told):
        with pytest.raises(DataError, match=told):
            read(self.file(folder, **changed))

    @pytest.mark.parametrize("content", ["", "{", "[1, 2]", "[" * 100_000])
    def test_no_json_is_told_of(self, folder, content):
        path = folder / "x.json"
        path.write_text(content)
        with pytest.raises(DataError, match=r"x\.json"):
            read(path)


class TestFolders:
    def test_each_folder_is_a_label(self, tmp_path):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / name).mkdir()
            drawn(number).save(tmp_path / name / "one.jpg")
        assert [one.texts for one in read(tmp_path)] == [("cat",), ("dog",)]

    def test_the_name_of_a_folder_is_one_class(self, tmp_path):
        (tmp_path / "golden retriever").mkdir()
        drawn().save(tmp_path / "golden retriever" / "one.jpg")
        (one,) = read(tmp_path)
        assert one.is_class
        assert one.texts == ("golden retriever",)

    @pytest.mark.parametrize("has_texts", [True, False])
    def test_a_folder_without_images(self, tmp_path, has_texts):
        (tmp_path / "notes.txt").write_text("notes")
        with pytest.raises(DataError, match=r"there is no image in it. Those in a folder end with .bmp, "):
            read(tmp_path, has_texts=has_texts)

    def test_without_labels_every_image_counts(self, folder):
        (folder / "readme.txt").write_text("some images")
        assert [one.texts for one in read(folder, has_texts=False)] == [()] * 3

    @pytest.mark.parametrize("has_texts", [True, False])
    def test_other_files_are_counted(self, tmp_path, has_texts):
        (tmp_path / "cat").mkdir()
        drawn().save(tmp_path / "cat" / "one.png")
        for name in ("notes.txt", ".hidden", "cat/one.xmp"):
            (tmp_path / name).write_text("notes")
        with found([str(tmp_path)]) as places:
            assert passed_over(places, has_texts=has_texts) == 2
        with found([str(tmp_path / "cat" / "one.png")]) as places:
            assert passed_over(places, has_texts=has_texts) == 0

    def test_a_table_is_passed_over_where_nobody_reads_it(self, folder):
        (folder / "t.tsv").write_text("image\tcaption\n0.png\ta cat\n")
        (folder / "notes.txt").write_text("notes")
        for has_texts, count in ((True, 1), (False, 2)):
            with found([str(folder)]) as places:
                assert passed_over(places, has_texts=has_texts) == count

    def test_images_without_labels_are_told_of(self, folder):
        with pytest.raises(DataError, match="nothing says what belongs to it"):
            read(folder)

    def test_a_table_in_the_folder_names_the_images(self, folder):
        (folder / "t.tsv").write_text("image\tcaption\n0.png\ta cat\n")
        assert [one.texts for one in read(folder)] == [("a cat",)]

    def test_a_single_image(self, folder):
        (one,) = read(folder / "1.png", has_texts=False)
        assert one.where.endswith("1.png")
        assert not one.is_cut

    def test_an_image_of_another_ratio_is_cut_if_nobody_says_else(self, folder):
        drawn(size=(20, 6)).save(folder / "wide.png")
        (one,) = read(folder / "wide.png", has_texts=False)
        assert one.where.endswith("wide.png (its sides were cut)")
        assert one.is_cut
        assert np.array_equal(one.pixels, image_of((folder / "wide.png").read_bytes(), "x", RGB, "crop"))
        for fit in ("pad", "stretch"):
            (one,) = read(folder / "wide.png", has_texts=False, fit=fit)
            assert one.where.endswith("wide.png")
            assert not one.is_cut


class TestArrays:
    @staticmethod
    def file(folder, **arrays):
        np.savez(folder / "a.npz", **arrays)
        return folder / "a.npz"

    def test_labels_are_texts_and_several_are_one_text(self, tmp_path):
        x = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
        (first, *_) = read(self.file(tmp_path, x=x, y=np.array([[1, 2], [3, 4], [5, 6]])))
        assert first.texts == ("1 2",)
        assert np.array_equal(first.pixels[0], x[0])

    @pytest.mark.parametrize(
        ("arrays", "told"),
        [
            ({"x": np.zeros((2, 4, 5)), "y": np.zeros(2)}, "wanted images, uint8"),
            ({"x": np.zeros((2, 4), dtype=np.uint8), "y": np.zeros(2)}, "wanted images, uint8"),
            ({"x": np.zeros((2, 4, 5), dtype=np.uint8), "y": np.zeros(3)}, "y is"),
            ({"x": np.zeros((2, 0, 5), dtype=np.uint8), "y": np.zeros(2)}, "x is"),
            ({"x": np.zeros((2, 4, 5), dtype=np.uint8), "y": np.zeros((2, 0))}, r"y is \(2, 0\): there are no labels"),
            ({"x": np.zeros((2, 4, 5), dtype=np.uint8), "y": np.array(["a", " "])}, "its label is"),
            ({"x": np.zeros((2, 4, 5), dtype=np.uint8)}, "wanted x, y"),
            ({"x": np.zeros((2, 4, 5), dtype=np.uint8), "y": np.array([b"a", b"\xff"])}, "no UTF-8"),
            ({"x": np.zeros((2, 6, 5, 3), dtype=np.uint8), "y": np.zeros(2)}, "with colours last"),
        ],
    )
    def test_other_arrays_are_told_of(self, tmp_path, arrays, told):
        with pytest.raises(DataError, match=told):
            read(self.file(tmp_path, **arrays))

    def test_images_of_two_shapes_are_told_of(self, tmp_path, folder):
        path = self.file(tmp_path, x=np.zeros((2, 4, 5), dtype=np.uint8))
        with pytest.raises(DataError, match="all need the same"):
            read([path, folder / "0.png"], has_texts=False)
