"""Checkpoints: what is made of them computes what made them; what is damaged or hostile is told, and does nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import unrolled
from unrolled import CheckpointError, ConfigError
from unrolled.inspection import unpickling, weight_files

B, T, D, H = 3, 7, 5, 6
LAYERS = {
    "lstm": lambda: nn.LSTM(D, H),
    "lstm stacked, both ways, projected": lambda: nn.LSTM(D, H, 2, bidirectional=True, proj_size=3),
    "lstm without bias": lambda: nn.LSTM(D, H, bias=False),
    "gru stacked": lambda: nn.GRU(D, H, 3),
    "gru both ways": lambda: nn.GRU(D, H, bidirectional=True),
    "rnn both ways": lambda: nn.RNN(D, H, 2, bidirectional=True),
    "one unit": lambda: nn.LSTM(D, 1),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def _saved(kind, weights, tmp_path):
    """The weights as `open` takes them."""
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        safetensors.torch.save_file(weights, path)
    elif kind == "npz":
        np.savez_compressed(path, **{name: value.numpy() for name, value in weights.items()})
    elif kind == "mapping":
        return weights
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind != "pth")
    return path


def _close(got, want):
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


def _states(layer):
    """Random states of a layer of torch's."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    h = torch.randn(count, B, layer.proj_size or layer.hidden_size, dtype=torch.float64)
    is_lstm = isinstance(layer, nn.LSTM)
    return (h, torch.randn(count, B, layer.hidden_size, dtype=torch.float64)) if is_lstm else h


@every_layer
@pytest.mark.parametrize("kind", ["mapping", "safetensors", "npz"])
def test_a_layer_computes_what_it_did(name, kind, tmp_path):
    layer = LAYERS[name]().double()
    x, states = torch.randn(T, B, D, dtype=torch.float64), _states(layer)
    made = unrolled.open(_saved(kind, layer.state_dict(), tmp_path))
    assert isinstance(made, type(layer))
    assert repr(made) == repr(layer)
    assert made.left_out == []
    for got, want in zip(_flat(made(x, states)), _flat(layer(x, states)), strict=True):
        _close(got, want)


def _flat(output):
    return [output] if torch.is_tensor(output) else [one for part in output for one in _flat(part)]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, D)
        self.encoder = nn.ModuleDict({"rnn": nn.LSTM(D, H, batch_first=True), "norm": nn.LayerNorm(H)})
        self.decoder = nn.ModuleList([nn.GRUCell(D, H), nn.RNNCell(D, H), nn.LSTMCell(D, H, bias=False)])
        self.head = nn.Linear(H, 3)


@pytest.mark.parametrize("kind", ["mapping", "safetensors", "npz", "pt", "pth"])
def test_layers_stand_where_they_stood(kind, tmp_path):
    model = Model().double()
    made = unrolled.open(_saved(kind, model.state_dict(), tmp_path), batch_first=True)
    assert made.state_dict().keys() == {name for name in model.state_dict() if ".rnn." in name or "decoder" in name}
    assert set(made.left_out) == set(model.state_dict()) - set(made.state_dict())
    x, h, c = torch.randn(B, T, D).double(), torch.randn(B, H).double(), torch.randn(B, H).double()
    _close(made.encoder.rnn(x, (h[None], c[None]))[0], model.encoder["rnn"](x, (h[None], c[None]))[0])
    for place, states in {"0": h, "1": h, "2": (h, c)}.items():
        mine, theirs = (one.get_submodule(f"decoder.{place}") for one in (made, model))
        for got, want in zip(_flat(mine(x[:, 0], states)), _flat(theirs(x[:, 0], states)), strict=True):
            _close(got, want)
    with pytest.raises(ConfigError, match=r"decoder\.0, decoder\.1, decoder\.2, encoder\.rnn, which"):
        made(x)
    trace = unrolled.trace(made.encoder, x)
    assert trace["rnn.layer0.f"].shape == (T, B, H)


def test_the_only_layer_is_run_and_its_address_is_its_path(tmp_path):
    model = nn.Sequential(OrderedDict(embedding=nn.Embedding(11, D), rnn=nn.GRU(D, H)))
    made = unrolled.open(
        {"epoch": 3, "model": model.state_dict(), "optimizer": {"state": {0: {"step": torch.ones(1)}}}}
    )
    x = torch.randn(T, B, D)
    assert list(unrolled.trace(made, x, names=["model.rnn.layer0.z"])) == ["model.rnn.layer0.z"]
    _close(made(x)[0], model.rnn(x)[0])
    assert made.left_out == ["model.embedding.weight", "optimizer.state.0.step"]


def test_the_weights_are_copies_and_train():
    layer = nn.LSTM(D, H)
    made = unrolled.open(layer.state_dict())
    before = layer.weight_hh_l0.detach().clone()
    made(torch.randn(T, B, D))[0].sum().backward()
    with torch.no_grad():
        made.weight_hh_l0 -= made.weight_hh_l0.grad
    assert torch.equal(layer.weight_hh_l0, before)
    assert not torch.equal(made.weight_hh_l0, before)


def test_no_random_number_is_drawn():
    state = torch.get_rng_state()
    unrolled.open(nn.LSTM(D, H, device="meta").to_empty(device="cpu").state_dict())
    unrolled.open(_keras("gru", before=True)[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_an_rnn_is_tanh_unless_told():
    layer = nn.RNN(D, H, nonlinearity="relu")
    x = torch.randn(T, B, D)
    assert not torch.allclose(unrolled.open(layer.state_dict())(x)[0], layer(x)[0])
    _close(unrolled.open(layer.state_dict(), activation="relu")(x)[0], layer(x)[0])
    cell = nn.RNNCell(D, H, nonlinearity="relu")
    _close(unrolled.open(cell.state_dict(), activation="relu")(x[0]), cell(x[0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_weights_keep_their_type(dtype, kind, tmp_path):
    layer = nn.LSTM(D, H).to(dtype)
    made = unrolled.open(_saved(kind, layer.state_dict(), tmp_path))
    assert {one.dtype for one in made.parameters()} == {dtype}
    x = torch.randn(T, B, D)
    _close(made.float()(x)[0], layer.float()(x)[0])


# --- Keras, by the equations that its documentation gives (keras.layers.LSTM, GRU, SimpleRNN) ---


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _keras_lstm(x, h, c, kernel, recurrent_kernel, bias=0.0):
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)  # its order: i f c o
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def _keras_gru_after(x, h, _, kernel, recurrent_kernel, bias=(0.0, 0.0)):
    x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3, axis=-1)  # its order: z r h
    h_z, h_r, h_h = np.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z, r = _sigmoid(x_z + h_z), _sigmoid(x_r + h_r)
    return z * h + (1 - z) * np.tanh(x_h + r * h_h), None


def _keras_gru_before(x, h, _, kernel, recurrent_kernel, bias):
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    u_z, u_r, u_h = np.split(recurrent_kernel, 3, axis=-1)
    z, r = _sigmoid(x_z + h @ u_z), _sigmoid(x_r + h @ u_r)
    return z * h + (1 - z) * np.tanh(x_h + (r * h) @ u_h), None


def _keras_rnn(x, h, _, kernel, recurrent_kernel, bias=0.0):
    return np.tanh(x @ kernel + h @ recurrent_kernel + bias), None


STEPS = {"lstm": _keras_lstm, "gru": _keras_gru_after, "gru before": _keras_gru_before, "rnn": _keras_rnn}


def _keras(name, *, before=False, biased=True):
    """Weights as Keras has them, and its step."""
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[name] * H
    numbers = np.random.default_rng(1)
    weights = {"kernel": numbers.normal(size=(D, gates)), "recurrent_kernel": numbers.normal(size=(H, gates))}
    if biased:
        weights["bias"] = numbers.normal(size=(2, gates) if name == "gru" and not before else gates)
    return weights, STEPS["gru before" if before else name]


@pytest.mark.parametrize("prefix", ["", "model/rnn/cell/", "model.rnn.cell."])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {}), ("lstm", {"biased": False}), ("gru", {}), ("gru", {"biased": False}), ("gru", {"before": True}),
        ("rnn", {}), ("rnn", {"biased": False}),
    ],
)  # fmt: skip
def test_keras_layers_compute_its_equations(name, options, prefix, tmp_path):
    weights, step = _keras(name, **options)
    numbers = np.random.default_rng(2)
    x, h, c = numbers.normal(size=(T, B, D)), numbers.normal(size=(B, H)), numbers.normal(size=(B, H))
    path = tmp_path / "model.npz"
    np.savez(path, **{f"{prefix}{key}": value for key, value in weights.items()}, **{"dense/kernel": np.ones((H, 2))})
    made = unrolled.open(path)
    assert made.left_out == ["dense/kernel"]
    state = [torch.from_numpy(one)[None] for one in (h, c)]
    given = {"h": state[0]} if options.get("before") else tuple(state) if name == "lstm" else state[0]
    output = made(torch.from_numpy(x), given)[0].detach().numpy()
    for time in range(T):
        h, c = step(x[time], h, c, **weights)
        np.testing.assert_allclose(output[time], h, rtol=0, atol=1e-6)
    address = f"{prefix.replace('/', '.')}layer0.h"
    assert address in unrolled.trace(made, torch.from_numpy(x))


def test_keras_names_with_a_number_behind_and_another_byte_order(tmp_path):
    weights, _ = _keras("lstm")
    path = tmp_path / "weights.npz"
    np.savez(path, **{f"lstm/{key}:0": value.astype(">f8") for key, value in weights.items()})
    x = torch.randn(T, B, D).double()
    assert torch.equal(unrolled.open(path)(x)[0], unrolled.open(weights)(x)[0])


# --- what does not fit ---


def _lstm(**changed):
    weights = {**nn.LSTM(D, H).state_dict(), **changed}
    return {name: value for name, value in weights.items() if value is not None}


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({}, "no recurrent weights in the mapping: it has no tensor"),
        (nn.Linear(3, 4).state_dict(), "it has weight, bias"),
        ({f"a{number}": torch.ones(1) for number in range(20)}, "a7 and 12 more"),
        (_lstm(weight_ih_l0=None), "weight_ih_l0 is missing; there are"),
        (_lstm(bias_hh_l0=None), "Missing key.*bias_hh_l0"),
        (_lstm(bias_ih_l0=None), "Unexpected key.*bias_hh_l0"),
        (_lstm(weight_hh_l0=torch.ones(H, 4 * H)), "an RNN has 1, a GRU 3, an LSTM 4 rows"),
        (_lstm(weight_hh_l0=torch.ones(0, 0)), "an RNN has 1"),
        (_lstm(weight_hh_l0=torch.ones(4 * H)), "has to be a matrix"),
        (_lstm(weight_ih_l0=torch.ones(3 * H, D)), "size mismatch for weight_ih_l0"),
        (_lstm(weight_hh_l2=torch.ones(4 * H, H)), "up to l2, and l1 is missing"),
        (_lstm(weight_hh_l9999=torch.ones(4 * H, H)), "l1 is missing"),
        (_lstm(weight_hr_l0=torch.ones(H, H)), "proj_size has to be smaller"),
        (_lstm(bias_hh_l0=torch.ones(4 * H).double()), "torch.float32, torch.float64: give one type"),
        (_lstm(**{name: value.int() for name, value in _lstm().items()}), "torch.int32: give one type"),
        ({"recurrent_kernel": torch.ones(H, 4 * H)}, "^the mapping: kernel is missing"),
        ({"a/recurrent_kernel": torch.ones(H, 4 * H)}, "^the mapping, a: kernel is missing"),
        ({**_keras("lstm")[0], "bias": np.ones(8 * H)}, "size mismatch for bias_ih_l0"),
        ({**_keras("gru")[0], "bias": np.ones((3, 3 * H))}, "size mismatch for bias_ih_l0"),
        ({**_keras("gru")[0], "kernel": np.ones((D, 3 * H + 1))}, "three gates"),
        ({**_keras("gru")[0], "bias": np.ones(3 * H + 3)}, "do not fit"),
        ({"kernel": np.ones((D, H)), "recurrent_kernel": np.ones(H)}, "no recurrent weights"),
        ({f"train.{name}": value for name, value in _lstm().items()}, "torch has no place for 'train'"),
        ({f"a..b.{name}": value for name, value in _lstm().items()}, "torch has no place for ''"),
        ({"recurrent_kernel": np.array([{}], dtype=object)}, "torch cannot hold"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(weights, told):
    with pytest.raises(CheckpointError, match=told):
        unrolled.open(weights)


def test_names_cannot_order_the_terminal_about():
    with pytest.raises(CheckpointError) as told:
        unrolled.open({"\x1b[2J" + "a" * 1000: torch.ones(1)})
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 500


def test_options_are_checked():
    with pytest.raises(ConfigError, match="activation='sigmoid': give one of tanh, relu"):
        unrolled.open(_lstm(), activation="sigmoid")
    with pytest.raises(ConfigError, match="are for a checkpoint"):
        unrolled.open(nn.LSTM(D, H), batch_first=True)


# --- files that are none ---


def _header(length, text=b""):
    return struct.pack("<Q", length) + text


def _claims(**entry):
    text = json.dumps({"weight_hh_l0": {"dtype": "F32", "shape": [4, 1], "data_offsets": [0, 16], **entry}}).encode()
    return _header(len(text), text) + bytes(16)


def _zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


def _npy(description):
    text = description.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


HOSTILE = {
    "huge header.safetensors": _header(2**60),
    "header of 200 MB.safetensors": _header(200_000_000, b"{" + b" " * 1000),
    "no json.safetensors": _header(8, b"\xff" * 8),
    "short.safetensors": b"abc",
    "huge shape.safetensors": _claims(shape=[2**40, 2**40]),
    "outside.safetensors": _claims(data_offsets=[0, 2**40]),
    "overlap.safetensors": _claims(data_offsets=[8, 4]),
    "type.safetensors": _claims(dtype="F33"),
    "no zip.npz": b"abcdefgh",
    "pickle.npz": pickle.dumps([1, 2]),
    "object.npz": _zipped(
        weight_hh_l0=_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + pickle.dumps(1)
    ),
    "huge.npz": _zipped(weight_hh_l0=_npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**45}, 4)}}")),
    "bomb.npz": _zipped(weight_hh_l0=bytes(2**29)),
    "header.npz": _zipped(weight_hh_l0=_npy("__import__('os').abort()")),
    "no pickle.pt": b"abcdefgh",
    "zip.pt": _zipped(a=b"abc"),
    "unknown.h5": b"abc",
    "empty.pt": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_file_is_told(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        unrolled.open(path)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "pt", "pth"])
def test_a_truncated_file_is_told(kind, tmp_path):
    content = _saved(kind, _lstm(), tmp_path).read_bytes()
    for part in (0.1, 0.5, 0.99):
        path = tmp_path / f"short.{kind}"
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(CheckpointError, match=f"short.{kind}"):
            unrolled.open(str(path))


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    told = {"none.pt": "No such file", ".": "is a folder", "pipe.pt": "not a regular file", "a\0b.pt": "cannot be read"}
    for name, words in told.items():
        with pytest.raises(CheckpointError, match=words):
            unrolled.open(tmp_path / name)


def test_a_link_is_followed(tmp_path):
    layer = nn.LSTM(D, H)
    path = _saved("safetensors", layer.state_dict(), tmp_path)
    (tmp_path / "link.safetensors").symlink_to(path)
    assert torch.equal(unrolled.open(tmp_path / "link.safetensors").weight_hh_l0, layer.weight_hh_l0)


# --- pickles that do something ---


class Evil:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"import pathlib; pathlib.Path({str(self.path)!r}).touch()",)


def _as_torch_saves(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


@pytest.mark.parametrize("made", [partial(pickle.dumps, protocol=2), _as_torch_saves], ids=["plain", "torch"])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"more": evil, **_lstm()}], ids=["alone", "within"])
def test_a_pickle_does_not_run(made, wrap, tmp_path):
    traces = tmp_path / "done"
    path = tmp_path / "evil.pt"
    path.write_bytes(made(wrap(Evil(traces))))
    with pytest.raises(CheckpointError, match=r"evil.pt cannot be read as weights alone: .*exec.*state_dict"):
        unrolled.open(path)
    assert not traces.exists()
    pickle.loads(pickle.dumps(Evil(traces)))
    assert traces.exists()  # it would have


def test_a_whole_model_is_told_what_to_save(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(nn.LSTM(D, H), path)
    with pytest.raises(CheckpointError, match=r"LSTM.*Save them with torch\.save\(model\.state_dict\(\), path\)"):
        unrolled.open(path)


@pytest.mark.parametrize("thing", [torch.ones(3), [1, 2], 5])
def test_what_is_no_mapping_is_told(thing, tmp_path):
    path = tmp_path / "thing.pt"
    torch.save(thing, path)
    with pytest.raises(CheckpointError, match="no names with tensors"):
        unrolled.open(path)


def test_a_small_file_that_would_be_large_is_told(tmp_path):
    for shape, words in (((2**20, 2**20), "memory"), ((2**14, 2**12), "large")):
        path = tmp_path / "wide.pt"
        torch.save({"weight_hh_l0": torch.ones(1).expand(shape)}, path)
        with pytest.raises(CheckpointError, match=words):
            unrolled.open(path)


def test_shared_weights_are_written_apart(tmp_path):
    layer = nn.LSTM(D, 64)
    path = tmp_path / "tied.pt"
    torch.save({"a": layer.state_dict(), "b": layer.state_dict()}, path)
    made = unrolled.open(path)
    assert torch.equal(made.a.weight_hh_l0, made.b.weight_hh_l0)


def test_a_reader_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    path = _saved("pt", _lstm(), tmp_path)
    monkeypatch.setattr(weight_files, "_PATIENCE", 0.01)
    with pytest.raises(CheckpointError, match=r"not read within 0\.01 seconds"):
        unrolled.open(path)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("open('new', 'w')", "Too many open files"),
        ("open('/etc/passwd')", "Too many open files"),
        ("__import__('socket').socket()", "Too many open files"),
        ("print(__import__('os').system('touch new') != 0, file=sys.stderr)", "True"),
        ("bytearray(2**34)", "MemoryError"),
        ("os.write(1, bytes(2**23)) and os.write(1, bytes(2**23))", "File too large"),
    ],
)
def test_the_reader_is_confined(statement, told, tmp_path):
    code = f"import os, sys, socket, runpy; runpy.run_path({unpickling.__file__!r})['confine'](100); {statement}"
    with (tmp_path / "output").open("wb") as output:
        ran = subprocess.run([sys.executable, "-I", "-c", code], stdin=subprocess.DEVNULL, stdout=output,
                             stderr=subprocess.PIPE, cwd=tmp_path, text=True)  # fmt: skip
    assert told in ran.stderr
    assert not (tmp_path / "new").exists()
