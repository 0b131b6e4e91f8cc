"""`--image-fit`: how files of images that are not square are read, the same in training and in every use."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from unrolled import CaptionConfig, ConfigError, DrawConfig, GlimpseConfig, evaluate, load, look, predict, train
from unrolled.runs import KINDS, Prepared
from unrolled.runs.tasks import pictured

SMALL = {"steps": 1, "samples": 0, "evaluations": 1, "image_size": 8, "image_channels": "grey", "hidden_size": 8}
CONFIGS = {
    "draw": lambda **options: DrawConfig(strokes=2, latent_size=2, **SMALL | options),
    "caption": lambda **options: CaptionConfig(**SMALL | {"encoder_size": 8, "embedding_size": 4} | options),
    "glimpse": lambda **options: GlimpseConfig(glimpses=2, **SMALL | options),
}
TOLD = "7 of 20 images are not square: their sides were cut (--image-fit pad keeps them whole)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty images of noise in two folders, of which seven are wide; and three files that are no images."""
    place = tmp_path_factory.mktemp("fit")
    numbers = np.random.default_rng(0)
    for number in range(20):
        pixels = numbers.integers(0, 256, (8, 24 if number < 7 else 8), dtype=np.uint8)
        path = place / ("bright" if number % 2 else "dark") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    for name in ("notes.txt", "dark/list.log", "dark/more.log"):
        (place / name).write_text("notes")
    return place


def words_of(config, out):
    events = []
    path = train(config, out, listen=events.append)
    return path, next(one for one in events if isinstance(one, Prepared)).words


@pytest.mark.parametrize("task", list(CONFIGS))
def test_it_is_said_that_images_are_cut_and_files_passed_over(folder, tmp_path, task):
    path, words = words_of(CONFIGS[task](data=[str(folder)]), tmp_path / "run")
    passed_over = "files that were passed over, since their names do not end as those of images: 3"
    assert words.endswith(f"are held out\n{TOLD}\n{passed_over}")
    assert (load(path).about.cut, load(path).about.passed_over) == (7, 3)


def test_a_table_that_nobody_reads_is_passed_over(folder, tmp_path):
    """A drawer learns no texts: of a folder the images are read, not the table that names some of them."""
    there = shutil.copytree(folder / "dark", tmp_path / "dark")
    (there / "t.tsv").write_text("image\tcaption\n1.png\ta cat\n")
    assert load(train(CONFIGS["draw"](data=[str(there)]), tmp_path / "run")).about.passed_over == 3


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_who_has_chosen_is_told_nothing(folder, tmp_path, fit):
    _, words = words_of(CONFIGS["draw"](data=[str(folder / "bright")], image_fit=fit), tmp_path / "run")
    assert words.endswith("1 are held out")


@pytest.mark.parametrize("task", list(CONFIGS))
def test_every_use_reads_as_the_training_did(folder, tmp_path, task, monkeypatch):
    path, _ = words_of(CONFIGS[task](data=[str(folder)], image_fit="pad"), tmp_path / "run")
    asked, real = [], pictured.pictures
    monkeypatch.setattr(pictured, "pictures", lambda *given, **how: asked.append(how["fit"]) or real(*given, **how))
    assert len(list(predict(path, str(folder)))) == 20
    evaluate(path, str(folder))
    look(path, [str(folder)])
    assert set(asked) == {"pad"}
    assert len(asked) >= 3
    with pytest.raises(ConfigError, match="image_fit is no option of a use"):
        evaluate(path, str(folder), image_fit="crop")


@pytest.mark.parametrize("task", list(CONFIGS))
def test_each_way_gives_other_pixels(folder, task):
    read = [
        KINDS[task].gather(CONFIGS[task](data=[str(folder)], image_fit=fit)).data.inputs.values
        for fit in ("crop", "pad", "stretch")
    ]
    wide = (read[0] != read[1]).any(axis=(1, 2, 3))
    assert wide.sum() == 7
    assert ((read[0] != read[2]).any(axis=(1, 2, 3)) == wide).all()
    assert ((read[1] != read[2]).any(axis=(1, 2, 3)) == wide).all()


def test_kept_features_are_those_of_what_was_read(folder, tmp_path, monkeypatch):
    """Of wide images that were padded no feature may be used of the same ones that were cut."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\ndef flat():\n    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten())\n"
    )
    options = {"data": [str(folder)], "encoder": f"{tmp_path / 'mine.py'}:flat", "encoder_size": 128, "image": "state"}
    found = [KINDS["caption"].gather(CONFIGS["caption"](**options, image_fit=fit)) for fit in ("crop", "pad", "crop")]
    cut, padded, again = (one.data.inputs.values for one in found)
    assert (cut == again).all()
    assert (cut != padded).any()
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2


@pytest.mark.parametrize("task", list(CONFIGS))
def test_arrays_stay_as_they_are(tmp_path, task):
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    config = CONFIGS[task](data=[str(tmp_path / "x.npz")], image_fit="pad")
    defaults = {name: type(config).model_fields[name].default for name in ("image_size", "image_channels")}
    with pytest.raises(ConfigError, match=r"x\.npz stay as they are: leave --image-fit out"):
        train(config.model_copy(update=defaults), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_there_is_no_other_way():
    with pytest.raises(ValueError, match="'crop', 'pad' or 'stretch'"):
        DrawConfig(image_fit="cover")


def test_a_run_that_is_older_than_the_option_was_cut(folder, tmp_path):
    path, _ = words_of(CONFIGS["draw"](data=[str(folder)]), tmp_path / "run")
    nats = evaluate(path, str(folder)).nats
    manifest = json.loads((path / "manifest.json").read_text())
    for name, fields in (("config.json", ["image_fit"]), ("data.json", ["cut", "passed_over"])):
        content = json.loads((path / name).read_text())
        for field in fields:
            del content[field]
        old = json.dumps(content).encode()
        (path / name).write_bytes(old)
        manifest["files"][name] = {"size": len(old), "sha256": hashlib.sha256(old).hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    assert load(path).config.image_fit == "crop"
    assert evaluate(path, str(folder)).nats == nats
