"""Where to look next: a Gaussian around a mean that a state gives, learned by reward. Knows states, no images.

Mnih et al. 2014 (Recurrent Models of Visual Attention), section 3.1: "the locations are stochastically sampled from a
distribution that the location network gives", a Gaussian of fixed deviation. Its gradient is REINFORCE's (Williams
1992), with a baseline that is learned (section 3.2, equation 3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Policy(nn.Module):
    """States `[..., H]` to the means of locations `[..., 2]`, and to the reward that is to be expected there.

    Both read the state without a gradient to it: where to look is learned by reward, and changes nothing of what was
    seen. The baseline is that of the state before the location is drawn: so it does not bias the gradient.

    deviation: of the locations around their mean, in both directions.
    """

    def __init__(self, width: int, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation
        self.mean = nn.Linear(width, 2)
        self.baseline = nn.Linear(width, 1)

    def means(self, states: Tensor) -> Tensor:
        """Where it would look, `[..., 2]`, each from -1 to 1."""
        return torch.tanh(self.mean(states))

    def expected(self, states: Tensor) -> Tensor:
        """The reward to be expected, `[...]`."""
        expected: Tensor = self.baseline(states.detach())[..., 0]
        return expected

    def log_density(self, means: Tensor, drawn: Tensor) -> Tensor:
        """The log of the density at locations `[..., 2]` that were drawn around these means, `[...]`, in nats."""
        distances = ((drawn.detach() - means) / self.deviation).square().sum(dim=-1)
        return -distances / 2 - 2 * math.log(self.deviation) - math.log(2 * math.pi)

    def losses(self, states: Tensor, drawn: Tensor, rewards: Tensor) -> tuple[Tensor, Tensor]:
        """What is minimised for a policy that drew these locations in these states, each `[T, R]`.

        Args:
            states: before each location, `[T, R, H]`.
            drawn: the locations, `[T, R, 2]`.
            rewards: what each run was worth from there on, `[T, R]`.

        Returns:
            -log p (reward - baseline), whose gradient is the policy's, and the baseline's squared error.
        """
        expected = self.expected(states)
        advantage = rewards - expected.detach()
        return -self.log_density(self.means(states), drawn) * advantage, (rewards - expected).square()
