"""Where a writer looked: in figures, by hand; and the picture of it."""

import numpy as np
import pytest

from unrolled.inspection import Alignment, looking
from unrolled.inspection.alignment_figures import alignments


def _alignment(weights, name="1"):
    weights = np.array(weights, dtype=np.float32)
    source, written = [f"s{one}" for one in range(weights.shape[1])], [f"w{one}" for one in range(weights.shape[0])]
    return Alignment(name, "title <b>", source, written, weights)


def test_in_order_and_against_it():
    ahead = looking([_alignment(np.eye(4))])
    assert (ahead.sharpest, ahead.order) == (1.0, pytest.approx(1.0))
    back = looking([_alignment(0.7 * np.eye(3)[::-1] + 0.1)])
    assert (back.sharpest, back.order) == (pytest.approx(0.8), pytest.approx(-1.0))
    both = looking([_alignment(np.eye(4)), _alignment(np.eye(4)[::-1])])
    assert both.order == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("weights", [[[1.0]], [[1.0], [1.0]], [[0.9, 0.1], [0.8, 0.2]]])
def test_where_nothing_moves_there_is_no_order(weights):
    assert np.isnan(looking([_alignment(weights)]).order)


def test_the_picture_says_each_weight_and_names_each_piece():
    drawn = alignments([_alignment([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]), _alignment([[1.0]], "<i>2")])
    assert drawn.data[0].text[0][1] == "w0<br>s1: 0.75"
    assert drawn.layout.yaxis.ticktext == ("w0", "w1", "w2")
    assert drawn.layout.yaxis.range == (2.5, -0.5), "the first that was written stands at the top"
    assert drawn.layout.title.text == "title &lt;b&gt;"
    assert [frame.layout.xaxis.ticktext for frame in drawn.frames] == [("s0", "s1"), ("s0",)]
    assert drawn.layout.sliders[0].steps[1].label == "&lt;i&gt;2"
    assert not alignments([_alignment([[1.0]])]).layout.sliders
