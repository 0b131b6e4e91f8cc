"""States in the plane in which they differ most: their first two principal components. Knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """The plane: `mean` `[H]`, `axes` `[2, H]`, and which share of the variance lies along each, `shares` `[2]`."""

    mean: Numbers
    axes: Numbers
    shares: Numbers

    @classmethod
    def of(cls, states: Numbers) -> Plane:
        """That of states `[N, H]`. Each axis points to where its largest component is positive.

        States of one unit, or such that do not differ, have no second axis: everything lies at 0 along it.
        """
        mean = states.mean(axis=0)
        centred = states - mean
        variances, columns = np.linalg.eigh(centred.T @ centred / len(states))
        axes, shares = np.zeros((2, states.shape[1])), np.zeros(2)
        for place, one in enumerate(range(len(variances))[::-1][:2]):
            axis = columns[:, one]
            axes[place] = axis * np.sign(axis[np.abs(axis).argmax()])
            shares[place] = max(variances[one], 0.0) / max(variances.sum(), np.finfo(np.float64).tiny)
        return cls(mean, axes, shares)

    def points(self, states: Numbers) -> Numbers:
        """Where states `[..., H]` lie in it, `[..., 2]`."""
        placed: Numbers = (states - self.mean) @ self.axes.T
        return placed
