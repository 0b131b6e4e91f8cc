"""The equation language: a cell's function becomes a graph. Knows neither tensors nor how a graph is run."""

from unrolled.equations.cell import Cell, cell
from unrolled.equations.graph import Graph, Node, Parameter, State
from unrolled.equations.initial import Initial
from unrolled.equations.intervening import Array, intervened
from unrolled.equations.joining import Joining, products_of_input, within
from unrolled.equations.noise import expectation
from unrolled.equations.schedule import products, schedule
from unrolled.equations.width import Width

__all__ = [
    "Array", "Cell", "Graph", "Initial", "Joining", "Node", "Parameter", "State", "Width", "cell", "expectation",
    "intervened", "products", "products_of_input", "schedule", "within",
]  # fmt: skip
