"""What figures share: sheets and the axes that show them, titles, sliders."""

import numpy as np
import pytest

from tests.inspection.pixels import pixels_of
from unrolled.inspection.drawing import sliding, titled
from unrolled.inspection.sheet_drawing import picture, sheet_axes
from unrolled.inspection.sheets import Sheet


def test_axes_show_the_whole_sheet_in_its_shape():
    """Of 34 x 26 pixels; the first one's middle is 0. What of the page is left over lies right of it, and below."""
    assert sheet_axes(Sheet(height=3, width=5, columns=4, gap=2, below=7, beside=1), rows=2) == {
        "xaxis": {"visible": False, "range": [-0.5, 33.5], "constrain": "domain", "constraintoward": "left"},
        "yaxis": {
            "visible": False, "range": [25.5, -0.5], "constrain": "domain", "constraintoward": "top",
            "scaleanchor": "x",
        },
    }  # fmt: skip


def test_a_picture_is_its_pixels_and_says_nothing():
    pixels = np.random.default_rng(0).integers(256, size=(3, 5, 3), dtype=np.uint8)
    drawn = picture(pixels, x0=2, dy=3)
    np.testing.assert_array_equal(pixels_of(drawn), pixels)
    assert (drawn.x0, drawn.dy, drawn.hoverinfo) == (2, 3, "skip")


def test_a_title_stands_in_the_room_above():
    """Its upper edge is as far above the figure as there is room."""
    title = titled("a < b", 34)
    assert title["text"] == "a &lt; b"
    assert (title["y"], title["yref"], title["yanchor"], title["yshift"]) == (1, "paper", "top", 34)
    assert (title["x"], title["xref"], title["xanchor"], title["align"]) == (0, "paper", "left", "left")


@pytest.mark.parametrize(("is_labelled", "colour"), [(True, "#1f2328"), (False, "rgba(0,0,0,0)")])
def test_a_slider_says_what_is_seen(is_labelled, colour):
    """Its names are no HTML, but frames are called as they are; long names are seen one at a time."""
    slider = sliding(["a", "<b>"], "image ", first=1, is_labelled=is_labelled, y=0.5)
    assert [one["label"] for one in slider["steps"]] == ["a", "&lt;b&gt;"]
    assert [one["args"][0] for one in slider["steps"]] == [["a"], ["<b>"]]
    assert (slider["currentvalue"]["prefix"], slider["active"], slider["y"]) == ("image ", 1, 0.5)
    assert (slider["font"]["color"], slider["currentvalue"]["font"]["color"]) == (colour, "#1f2328")
