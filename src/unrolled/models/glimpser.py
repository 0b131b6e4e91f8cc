"""Recurrent visual attention: small glimpses of an image, one after the other, then what is in it. Knows no files.

`Glimpser` is RAM (Mnih et al. 2014, Recurrent Models of Visual Attention) and DRAM (Ba et al. 2015, Multiple Object
Recognition with Visual Attention): they differ in what chooses the locations, and in how many objects are told.

No gradient goes through a location. So a batch is read twice: first without gradients, glimpse by glimpse, since each
location depends on what was seen before it; then all glimpses at once, as a sequence that is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unrolled.engine import Noise, State
from unrolled.equations import Cell, Graph
from unrolled.errors import ConfigError
from unrolled.layers import Recurrent, Sensor
from unrolled.models.beholder import Beholder, BeholderConfig, Sight
from unrolled.models.glimpse import GlimpseNetwork, Join, Scaled
from unrolled.models.policy import Policy
from unrolled.shapes import check_shape

Aim = Literal["learned", "centre", "random"]

_TABLES = 997  # of random numbers, of which a picture has one, in evaluation


class GlimpserConfig(BeholderConfig):
    """The sizes of a glimpser.

    locator: what chooses the locations: the state of the "core" (RAM), or a recurrent "layer" on it (DRAM). context:
    that layer starts from the whole image, in so many pixels a side; 0: from zeros. looks: at locations that are
    "learned", or, to compare, at the "centre" or at "random" ones. tries: runs for each image while training. asked:
    as in the papers after an object's "last" glimpse. rewarded: 1 if the answer is "right", as in the papers, or how
    likely the right answer is, its "chance": what that 1 would be in the mean if answers were drawn. reward: weight of
    the policy's part in what is minimised, which is a mean over glimpses. explore: the share of runs, while training,
    that look at random: of them it learns to say what it sees wherever it looks, of the others where to look.
    """

    scales: int = Field(default=3, ge=1, le=16)
    scale_factor: int = Field(default=2, ge=1, le=16)
    reach: float = Field(default=1.0, gt=0, le=10)
    feature_size: int = Field(default=128, ge=1, le=1_000_000)
    join: Join = "sum"
    locator: Literal["core", "layer"] = "core"
    context: int = Field(default=0, ge=0, le=1_000)
    looks: Aim = "learned"
    deviation: float = Field(default=0.2, gt=0, le=10)
    rewarded: Literal["right", "chance"] = "right"
    reward: float = Field(default=1.0, ge=0, le=1e6)
    tries: int = Field(default=1, ge=1, le=1_000)
    explore: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _context_has_a_layer(self) -> GlimpserConfig:
        if self.context and self.locator != "layer":
            raise ValueError("the whole image starts the layer that chooses locations: it needs locator 'layer'")
        return self


@dataclass(frozen=True)
class Looked:
    """Where R = M * B runs have looked, T times one after the other, and what they saw; each image once, M times over.

    drawn: the locations `[T, R, 2]` as they were drawn. seen: the glimpses `[T, R, k, C, g, g]`. aimless: which runs
    looked at what nobody had chosen, `[R]`; None: none did. noise: of the cells.
    """

    drawn: Tensor
    seen: Tensor
    aimless: Tensor | None = None
    noise: Noise | None = None

    @property
    def locations(self) -> Tensor:
        """Where it looked: a location outside is brought to the border."""
        return _within(self.drawn)


@dataclass(frozen=True)
class Understood:
    """What is made of what was seen: the state after each glimpse, and that in which its location was chosen.

    hidden, chosen_in: `[T, R, W]`.
    """

    hidden: Tensor
    chosen_in: Tensor


class Glimpser(Beholder):
    """Images in, a class for each object out.

    Every location is chosen in the state before it, the first one in the state before all.
    """

    config: GlimpserConfig
    rnn: Recurrent

    def __init__(self, config: GlimpserConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        channels, *_ = config.image
        self.sensor = Sensor(config.glimpse_size, config.scales, config.scale_factor, config.reach)
        pixels = config.scales * channels * config.glimpse_size**2
        self.glimpse = GlimpseNetwork(pixels, config.feature_size, config.hidden_size, config.join)
        self.rnn = Recurrent(cell, config.hidden_size, config.hidden_size)
        width = self.rnn.output_size
        self.locator = Recurrent(cell, width, config.hidden_size) if config.locator == "layer" else None
        if config.context and self.locator is not None and self.locator.graph.output_state is None:
            raise ConfigError(
                f"the output of the cell {self.locator.graph.cell} is no state that an overview could be: choose"
                " another cell, or --no-overview"
            )
        self.policy = Policy(width, config.deviation)
        self.begin_with = _context(channels, config.context, config.feature_size, width) if config.context else None
        self.read_out = nn.Linear(width, config.symbols)

    def forward(self, inputs: Tensor, lengths: Tensor, looked: Looked | None = None) -> Tensor:
        """The logits `[S, B, V]` of the symbols, for images `[1, B, C, height, width]`, pixels from 0 to 255.

        `looked`: what was seen of them, in one run or more; None: it looks for itself, once. Of several runs they are
        the logarithms of the mean probabilities. `lengths`: 1 for each, as an image is a sequence of one.

        Raises:
            ShapeError: images of another size.
        """
        del lengths
        images = self._images(inputs)
        return self._said(images, self.look(images) if looked is None else looked)

    def answers(self, images: Tensor, runs: int = 1) -> Tensor:
        """The logits `[S, B, V]` of the symbols, of so many runs."""
        return self._said(images, self.look(images, runs))

    def _said(self, images: Tensor, looked: Looked) -> Tensor:
        """The logits `[S, B, V]`, of all runs."""
        logits = self.logits(self.understand(images, looked).hidden)
        of_runs = logits.view(len(logits), -1, len(images), logits.shape[2])
        if of_runs.shape[1] == 1:
            return logits
        return of_runs.log_softmax(dim=3).logsumexp(dim=1) - math.log(of_runs.shape[1])

    def sight(self, images: Tensor) -> Sight:
        """What one run sees of these images."""
        looked = self.look(images)
        logits = self.read_out(self.understand(images, looked).hidden)
        return Sight(logits, self.sensor.boxes(looked.locations, *self.config.image[1:]), looked.seen, (looked,))

    def logits(self, hidden: Tensor) -> Tensor:
        """The logits `[S, R, V]` of the symbols, each after its last glimpse, of states `[T, R, H]`."""
        logits: Tensor = self.read_out(self._last(hidden))
        return logits

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Nats for each object of the targets `[U, B]`, and the end if there is one: `[n]`; and what else is minimised.

        The nats are those after an object's last glimpse, in the mean of an image's `tries`. Beside them stand
        those after earlier ones, if they are asked for, and what the policy learns by.
        """
        del lengths
        images = self._images(inputs)
        looked = self.look(images, self.config.tries)
        known = self.understand(images, looked)
        logits = self.read_out(known.hidden)  # [T, R, V]
        judged = self.judged(logits, targets)
        rewards = self._rewards(logits.detach(), judged.wanted) * judged.asked
        return judged.told, judged.earlier + self._policy_loss(known, looked, rewards)

    def _rewards(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """What an answer after each glimpse earns, `[T, R]`; one object comes to 1 at most."""
        if self.config.rewarded == "right":
            earned = (logits.argmax(dim=2) == wanted).to(logits.dtype)
        else:
            earned = logits.softmax(dim=2).gather(2, wanted.clamp(min=0)[..., None])[..., 0]
        return earned if self.config.asked == "last" else earned / self.config.glimpses

    def _policy_loss(self, known: Understood, looked: Looked, rewards: Tensor) -> Tensor:
        """What teaches it where to look, for rewards `[T, R]`: in the mean over runs that chose, and over glimpses.

        A glimpse is worth what is earned from there on with its own object. With all that is to come an eye that has
        found one of two objects stays there: looking for the other one, it would lose sight of the one that it knows.
        """
        of_objects = rewards.view(self.config.said, self.config.glimpses, -1)
        to_come = of_objects.flip(1).cumsum(dim=1).flip(1).flatten(0, 1)
        each = self.policy.losses(known.chosen_in, looked.drawn, to_come)
        aimless = torch.zeros_like(rewards[0], dtype=torch.bool) if looked.aimless is None else looked.aimless
        count = (~aimless).sum().clamp(min=1)
        chosen, expected = (one.masked_fill(aimless, 0.0).mean(dim=0).sum() / count for one in each)
        return self.config.reward * chosen + expected

    @torch.no_grad()
    def look(self, images: Tensor, runs: int = 1) -> Looked:
        """Look at images `[B, C, height, width]`, each in so many runs, glimpse by glimpse.

        While training locations are drawn from torch's default generator. In evaluation they are a function of the
        image alone: the mean of each location where there is one run, else with deviations that the image itself draws.

        Raises:
            ShapeError: images of another size.
        """
        check_shape("images", images.shape, ("B", *self.config.image))
        sums = self.sensor.sums(images.to(self.read_out.weight))
        noise = Noise.fresh() if self.training and self.rnn.graph.noise else None
        state, (chosen_in, locating) = None, self._start(images, runs)
        drawn, seen = [], []
        draws, aimless = self._draws(images, runs)
        for step, draw in enumerate(draws):
            chosen = self.policy.means(chosen_in) + self.config.deviation * draw
            drawn.append(torch.where(aimless[:, None], draw, chosen))
            location = _within(drawn[-1])
            seen.append(self.sensor.at(sums, location.view(runs, -1, 2)).flatten(0, 1))
            vector = self.glimpse(seen[-1], location)
            chosen_in, state = self.rnn.step(vector, state, noise and noise.at(step))
            if self.locator is not None:
                chosen_in, locating = self.locator.step(chosen_in, locating, _other(noise and noise.at(step)))
        return Looked(torch.stack(drawn), torch.stack(seen), aimless, noise)

    def understand(self, images: Tensor, looked: Looked) -> Understood:
        """What it makes of all glimpses of these images, as one sequence."""
        vectors = self.glimpse(looked.seen, looked.locations)
        hidden, _ = self.rnn(vectors, noise=looked.noise)
        first, locating = self._start(images, vectors.shape[1] // len(images))
        after = hidden.detach()  # (where to look changes nothing of what was seen)
        if self.locator is not None:
            after, _ = self.locator(after, locating, noise=_other(looked.noise))
        return Understood(hidden, torch.cat([first[None], after[:-1]]))

    def _start(self, images: Tensor, runs: int) -> tuple[Tensor, State | None]:
        """The state in which the first location is chosen, `[R, W]`, and those from which the locator starts."""
        count = runs * len(images)
        like = self.read_out.weight
        if self.begin_with is None:
            return like.new_zeros(count, like.shape[1]), None
        assert self.locator is not None
        first = torch.tanh(self.begin_with(images.to(like))).repeat(runs, 1)
        state = self.locator.zero_state(count)
        return first, state | {str(self.locator.graph.output_state): first[None]}

    def _draws(self, images: Tensor, runs: int) -> tuple[Tensor, Tensor]:
        """Numbers `[T, R, 2]`, and which runs `[R]` look at them, without a choice: at even ones from -1 to 1.

        For the others they are normal ones, or zeros for no chance at all.
        """
        steps, count, looks, like = self.config.steps, runs * len(images), self.config.looks, self.read_out.weight
        aimless = torch.full((count,), looks != "learned")
        if looks == "centre" or (looks == "learned" and runs == 1 and not self.training):
            drawn = torch.zeros(steps, count, 2)
        elif self.training:
            aimless |= torch.rand(count) < self.config.explore
            drawn = torch.where(aimless[:, None], torch.rand(steps, count, 2) * 2 - 1, torch.randn(steps, count, 2))
        else:
            drawn = _by_image(images, steps, runs, normal=looks == "learned")
        return drawn.to(like), aimless.to(like.device)


def _context(channels: int, size: int, hidden: int, width: int) -> nn.Sequential:
    """From a whole image, in `size` x `size` means, to a vector."""
    return nn.Sequential(
        Scaled(),
        nn.AdaptiveAvgPool2d(size),
        nn.Flatten(),
        nn.Linear(channels * size**2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, width),
    )


def _by_image(images: Tensor, steps: int, runs: int, *, normal: bool) -> Tensor:
    """Random numbers `[T, R, 2]` that are a function of each image alone, whatever stands beside it."""
    draw = torch.randn if normal else torch.rand
    table = draw(_TABLES, steps, runs, 2, generator=torch.Generator().manual_seed(0))
    which = images.double().sum(dim=(1, 2, 3)).long() % _TABLES  # (exact, as pixels are whole numbers)
    found = table[which.cpu()].permute(1, 2, 0, 3).flatten(1, 2)
    return found if normal else found * 2 - 1


def _within(drawn: Tensor) -> Tensor:
    return drawn.clamp(-1, 1)


def _other(noise: Noise | None) -> Noise | None:
    """Noise for a second layer of cells: the same would drop the same units of both."""
    return noise and replace(noise, seed=noise.seed ^ 1)
