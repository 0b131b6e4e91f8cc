"""The words of the equation language, for `from unrolled.ops import affine`. Re-exports, and nothing else."""

from unrolled.equations.ops import *  # noqa: F403
from unrolled.equations.ops import __all__ as __all__
