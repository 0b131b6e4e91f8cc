"""What `unrolled flow --depth 50 --data digits` does: plain and residual networks learn the same images."""

from unrolled.runs.depth.config import DepthConfig
from unrolled.runs.depth.found import Depth, Learnt
from unrolled.runs.depth.learning import depth_curves

__all__ = ["Depth", "DepthConfig", "Learnt", "depth_curves"]
