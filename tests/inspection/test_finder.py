"""Finding cells: what is planted is found, and where there is nothing, nothing is."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled import DataError, LanguageModel, LanguageModelConfig
from unrolled.inspection.finder import Units, find_cells
from unrolled.inspection.labels import Label, labels_of
from unrolled.inspection.reading import read, untrained

N = 6000


def _slow(count, seed):
    """Values that change slowly, as states do: `[count, N]`."""
    chance = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, N, generator=chance)
    for step in range(1, N):
        noise[:, step] += 0.98 * noise[:, step - 1]
    return noise / noise.std()


def _units(values, layer=0):
    return Units([f"layer{layer}.c[{unit}]" for unit in range(len(values))], values)


def _label(name="inside", seed=5, binary=True):
    slow = _slow(1, seed)[0].double().numpy()
    return Label(name, "inside something", (slow > 0.5).astype(float) if binary else slow)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_unit_is_found(binary, sign):
    label, values = _label(binary=binary), _slow(50, 1)
    values[17] = torch.from_numpy(label.values).float() * 2 * sign + 0.2 * torch.randn(N)
    (found,) = find_cells(_units(values), [label], [_units(_slow(50, seed)) for seed in (2, 3, 4)])
    assert found.unit == "layer0.c[17]"
    assert found.passes
    assert found.score > 0.95
    assert found.is_opposite == (sign < 0)
    assert found.chance < found.limit < found.score
    assert found.nats > 0.1
    assert len(found.runners_up) == 4
    assert all(score < found.score for _, score in found.runners_up)


def test_where_there_is_nothing_nothing_passes():
    """Slow units and slow labels: the best of 200 units is far from 0.5 by chance."""
    passed, best = 0, 0.0
    for seed in range(6):
        labels = [_label(f"label {k}", 1000 + 10 * seed + k, binary=k % 2 == 0) for k in range(4)]
        found = find_cells(_units(_slow(200, seed)), labels, [_units(_slow(200, 100 + 3 * seed + k)) for k in range(3)])
        passed += sum(one.passes for one in found)
        best = max(best, *(one.score for one in found if one.measure == "AUC"))
    assert best > 0.6, "the null is no trivial one"
    assert passed == 0


def test_a_unit_that_is_good_in_one_half_only_does_not_pass():
    label, values = _label(), _slow(20, 1)
    values[3, : N // 2] = torch.from_numpy(label.values).float()[: N // 2]
    (found,) = find_cells(_units(values), [label], [_units(_slow(20, 2))])
    assert found.unit == "layer0.c[3]"
    assert not found.passes


def test_untrained_networks_echo_what_they_read():
    """Letters of a kind are told by networks that have learned nothing: that is what the comparison is for."""
    torch.manual_seed(0)
    text = "".join(chr(97 + int(one)) if one < 20 else " " for one in torch.randint(0, 25, (2000,)))
    symbols = sorted(set(text))
    ids = torch.tensor([symbols.index(one) for one in text])
    model = LanguageModel(LanguageModelConfig(vocab_size=len(symbols), hidden_size=32, num_layers=2), "lstm")
    units = Units.of(read(model, ids).values)
    others = [Units.of(read(untrained(model, seed), ids).values) for seed in (1, 2, 3)]
    found = {one.label: one for one in find_cells(units, labels_of(text), others)}
    assert found["word"].score > 0.8
    assert not found["word"].passes


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_twenty_untrained_networks_have_no_finding(cell):
    """On real source, with all labels: each network with a seed of its own, against three others."""
    text = Path(textwrap.__file__).read_text()[:15_000]
    symbols = sorted(set(text))
    ids = torch.tensor([symbols.index(one) for one in text])
    labels = labels_of(text)
    assert {"quote", "comment", "if", "depth", "column"} <= {one.name for one in labels}
    model = LanguageModel(LanguageModelConfig(vocab_size=len(symbols), hidden_size=128, num_layers=2), cell)
    others = [Units.of(read(untrained(model, seed), ids).values) for seed in (1001, 1002, 1003)]
    for seed in range(20):
        found = find_cells(Units.of(read(untrained(model, seed), ids).values), labels, others)
        assert [(one.label, one.score, one.limit) for one in found if one.passes] == []


def test_what_does_not_vary_in_both_halves_is_left_out():
    label = Label("late", "at the end", np.r_[np.zeros(N - 10), np.ones(10)])
    assert find_cells(_units(_slow(5, 1)), [label], []) == []


def test_what_cannot_be_searched():
    units = _units(_slow(5, 1))
    with pytest.raises(DataError, match="too short"):
        find_cells(Units(units.names, units.values[:, :100]), [], [])
    with pytest.raises(DataError, match="another length"):
        find_cells(units, [Label("a", "b", np.arange(10.0))], [])
    with pytest.raises(DataError, match="another length"):
        find_cells(units, [_label()], [Units(units.names, units.values[:, :-1])])


def test_reading_in_pieces_is_reading_at_once(monkeypatch):
    model = LanguageModel(LanguageModelConfig(vocab_size=7, hidden_size=9, num_layers=2), "gru_v3").train()
    ids = torch.randint(7, (300,))
    whole = read(model, ids)
    monkeypatch.setattr("unrolled.inspection.reading._AT_ONCE", 64)
    pieces = read(model, ids)
    assert model.training
    assert list(whole.values) == list(pieces.values)
    for address, value in whole.values.items():
        assert torch.equal(value, pieces.values[address])
    assert torch.equal(whole.expected.guesses, pieces.expected.guesses)
    torch.testing.assert_close(whole.expected.nats, pieces.expected.nats, equal_nan=True, rtol=0, atol=1e-6)
    with torch.no_grad():
        logits = model.eval()(ids[:, None])[0][:, 0]
    want = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
    torch.testing.assert_close(whole.expected.nats[1:], want)
    assert (whole.expected.chances[:, 0] >= whole.expected.chances[:, 1]).all()


def test_an_untrained_network_leaves_the_trained_one_alone():
    model = LanguageModel(LanguageModelConfig(vocab_size=7, hidden_size=9), "lstm")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fresh, again = untrained(model, 3), untrained(model, 3)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(fresh.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(fresh.state_dict()["read_out.weight"], before["read_out.weight"])
