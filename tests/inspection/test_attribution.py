"""Contributions: what they sum to, and what they are by hand, of models of every front and pooling."""

from __future__ import annotations

import pytest
import torch

from unrolled import ShapeError, use_engine
from unrolled.inspection.attribution import integrated_gradients, leave_one_out
from unrolled.models import Classifier, ClassifierConfig, FrontConfig, SequenceConfig, Tagger

FRONTS = {
    "symbols": FrontConfig(vocab_size=7, embedding_size=5, token_dropout=0.1),
    "channels": FrontConfig(mean=(1.0, -2.0, 0.5), deviation=(2.0, 0.5, 1.0)),
}


def _score(model, length, at=None):
    """The logit of class 1, of the whole or of a step."""

    def score(vectors):
        logits = model.answers(vectors, torch.full((vectors.shape[1],), length))
        return (logits if at is None else logits[at])[:, 1]

    return score


def _classifier(kind, **options):
    torch.manual_seed(2)
    model = Classifier(ClassifierConfig(front=FRONTS[kind], classes=3, hidden_size=6, **options), "lstm").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # (what it says of nothing is something else)
    inputs = torch.randint(7, (9, 1)) if kind == "symbols" else 3 * torch.randn(9, 1, 3)
    with torch.no_grad():
        return model, model.front(inputs)[:, 0], model.front.nothing()


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("kind", list(FRONTS))
def test_contributions_sum_to_what_the_score_gained(kind, pooling, bidirectional, engine):
    with use_engine(engine):
        model, vectors, nothing = _classifier(kind, pooling=pooling, bidirectional=bidirectional)
        score = _score(model, 9)
        found = integrated_gradients(score, vectors, nothing)
        with torch.no_grad():
            gained = float(score(vectors[:, None]) - score(nothing.expand(9, 1, -1)))
    assert abs(gained) > 0.02
    assert found.difference == pytest.approx(gained, abs=1e-5)
    assert float(found.contributions.sum()) == pytest.approx(gained, rel=0.01, abs=0.005)
    assert found.contributions.shape == vectors.shape
    assert all(parameter.grad is None for parameter in model.parameters())


def test_of_a_product_each_factor_has_a_share():
    """F = sum over t of a_t b_t^2, from 0: the path integral gives a_t a third of each product, b_t two thirds."""
    vectors = torch.tensor([[2.0, 3.0], [-1.0, 0.5]])
    found = integrated_gradients(lambda x: (x[..., 0] * x[..., 1] ** 2).sum(dim=0), vectors, torch.zeros(2), points=3)
    products = vectors[:, 0] * vectors[:, 1] ** 2
    torch.testing.assert_close(found.contributions, torch.stack([products / 3, 2 * products / 3], dim=1))
    assert found.points == 3


def test_where_the_score_has_kinks_more_points_are_taken():
    kinked = lambda x: (x - 0.37).clamp(min=0).sum(dim=(0, 2))
    few = integrated_gradients(kinked, torch.ones(1, 1), torch.zeros(1), points=2, most=2)
    found = integrated_gradients(kinked, torch.ones(1, 1), torch.zeros(1), points=2)
    assert found.is_complete
    assert not few.is_complete
    assert abs(few.total - few.difference) > 0.01 > abs(found.total - found.difference)
    assert few.points == 2 < found.points <= 1024


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_leave_one_out_is_the_model_run_without_a_step(engine):
    with use_engine(engine), torch.no_grad():
        torch.manual_seed(0)
        model = Tagger(SequenceConfig(front=FRONTS["symbols"], classes=3, hidden_size=6), "gru").eval()
        ids = torch.randint(1, 7, (9, 1))
        found = leave_one_out(_score(model, 9, at=5), model.front(ids)[:, 0], model.front.nothing())
        whole = model(ids, torch.tensor([9]))[5, 0, 1]
        for step in range(9):
            without = ids.clone()
            without[step] = 0  # (the unknown symbol)
            torch.testing.assert_close(found[step, 0], whole - model(without, torch.tensor([9]))[5, 0, 1])
    assert found[6:].abs().max() < 1e-6 < found[:6].abs().min(), "what comes later is not read"


def test_leave_one_out_of_channels_and_of_neighbours():
    model, vectors, nothing = _classifier("channels", pooling="mean", bidirectional=True)
    score = _score(model, 9)
    each = leave_one_out(score, vectors, nothing, each_channel=True)
    together = leave_one_out(score, vectors, nothing, most=4)
    with torch.no_grad():
        whole = score(vectors[:, None])[0]
        for step in range(9):
            for channel in range(3):
                without = vectors.clone()
                without[step, channel] = 0.0  # (its mean)
                torch.testing.assert_close(each[step, channel], whole - score(without[:, None])[0])
            without = vectors.clone()
            without[step // 3 * 3 : step // 3 * 3 + 3] = nothing
            torch.testing.assert_close(together[step, 0], whole - score(without[:, None])[0])


@pytest.mark.parametrize(("steps", "width", "most"), [(10, 100, 256), (9, 3, 4), (7, 5, 3), (20, 1, 20), (1, 4, 256)])
def test_leave_one_out_reads_no_more_often_than_it_may(steps, width, most):
    read = []

    def score(vectors):
        read.append(vectors.shape[1])
        return vectors.sum(dim=(0, 2))

    leave_one_out(score, torch.randn(steps, width), torch.zeros(width), each_channel=True, most=most)
    assert sum(read) - 1 <= max(most, width), "the whole, and so many besides"


def test_nothing_of_another_width_is_refused():
    model, vectors, _ = _classifier("channels")
    for method in (integrated_gradients, leave_one_out):
        with pytest.raises(ShapeError, match=r"nothing has shape \(2,\), wanted \(3,\)"):
            method(_score(model, 9), vectors, torch.zeros(2))
