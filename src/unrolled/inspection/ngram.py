"""n-gram models with interpolated modified Kneser-Ney smoothing. Knows arrays of ids, no networks.

Chen & Goodman 1999 (An empirical study of smoothing techniques for language modeling). All n-grams of a length are one
sorted array of numbers: the place of the first n - 1 symbols in the array before, times the number of symbols, plus the
last symbol. So whole texts are looked up at once, length by length.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST = 40
_NONE = -1  # the place of an n-gram that was never seen
_UNDEFINED = 0.5  # the discount where the equation has none


def checked_ids(ids: Any, symbols: int) -> Ints:
    """The numbers of a text's symbols, `[N]`.

    Raises:
        DataError: they are something else, or one is not below `symbols`.
    """
    found: Ints = np.asarray(ids, dtype=np.int64)
    if found.ndim != 1 or (len(found) and not 0 <= found.min() <= found.max() < symbols):
        raise DataError(f"give the numbers of a text's symbols, [N], each from 0 to {symbols - 1}")
    return found


@dataclass
class _Level:
    """All n-grams of one length.

    keys: sorted; counts: how often each was seen, in the sense of its order. Of each shorter n-gram, as a context:
    total: of all that followed; left: which part of the probability the next shorter context distributes.
    """

    keys: Ints
    counts: Ints
    discounts: Floats
    total: Floats
    left: Floats


class _Counted(NamedTuple):
    """n-grams of one length, by how often they were seen, and by how many different symbols they were seen behind."""

    seen: _Level
    behind: _Level


class NGrams:
    """A model of a text: the probability of a symbol after the `order - 1` before it.

    The longest n-grams have their counts, shorter ones the number of different symbols that they were seen behind. The
    discounts of counts 1, 2 and 3 or more come from the counts of counts; where these leave one undefined, or make it
    zero or less (a text in which nothing is rare), it is 0.5.
    """

    def __init__(self, ids: Any, symbols: int, order: int) -> None:
        """Count a text.

        Args:
            ids: of its symbols, `[N]`, from 0 to `symbols - 1`.
            symbols: how many there are: V.
            order: the longest n-gram, from 1 to 40; 5 sees four symbols back.

        Raises:
            ConfigError: no such order.
            DataError: no symbol, or one that is not among the V.
        """
        if not 1 <= order <= MOST:
            raise ConfigError(f"an n-gram model of order {order}: give 1 to {MOST}")
        self.symbols = symbols
        ids = checked_ids(ids, self.symbols)
        if not len(ids):
            raise DataError("there is no text to count n-grams in")
        self.order = min(order, len(ids))
        self._counted = self._count(ids)
        self._levels = [one.behind for one in self._counted[:-1]] + [self._counted[-1].seen]

    def shorter(self, order: int) -> NGrams:
        """The model of that order, from the same counts.

        Raises:
            ConfigError: it is not shorter.
        """
        if not 1 <= order <= self.order:
            raise ConfigError(f"there is no order {order} in an n-gram model of order {self.order}")
        made = copy.copy(self)
        made.order = order
        made._levels = [one.behind for one in self._counted[: order - 1]] + [self._counted[order - 1].seen]
        return made

    def _count(self, ids: Ints) -> list[_Counted]:
        levels: list[_Counted] = []
        contexts = 1
        keys, counts, places = self._seen(ids, np.zeros(len(ids), dtype=np.int64), 1)
        for length in range(1, self.order + 1):
            context = keys // self.symbols
            seen = behind = _level(keys, counts, context, contexts)
            if length < self.order:
                longer = self._seen(ids, places, length + 1)
                # (what only begins the text stands behind nothing, and was seen nevertheless)
                different = np.maximum(_different_before(longer[2], places, len(longer[0]), len(keys)), 1)
                behind = _level(keys, different, context, contexts)
                contexts = len(keys)
                keys, counts, places = longer
            levels.append(_Counted(seen, behind))
        return levels

    def _seen(self, ids: Ints, shorter: Ints, length: int) -> tuple[Ints, Ints, Ints]:
        """All n-grams of that length, their counts, and the place among them of the one that begins at each symbol."""
        written = shorter[: len(ids) - length + 1] * self.symbols + ids[length - 1 :]
        keys, places, counts = np.unique(written, return_inverse=True, return_counts=True)
        return keys, counts.astype(np.int64), places.astype(np.int64)

    def probabilities(self, ids: Any) -> Floats:
        """The probability of each symbol of a text `[N]` after those before it, `[N]`; the first ones have fewer."""
        ids = checked_ids(ids, self.symbols)
        return self._after(ids, ids[:, None])[:, 0]

    def distributions(self, ids: Any) -> Floats:
        """The probabilities of all symbols before each symbol of a text `[N]`, `[N, V]`."""
        ids = checked_ids(ids, self.symbols)
        return self._after(ids, np.broadcast_to(np.arange(self.symbols), (len(ids), self.symbols)))

    def _after(self, ids: Ints, wanted: Ints) -> Floats:
        """The probabilities of the symbols `wanted`, `[N, K]`, each in the place of one of `ids`, `[N]`."""
        found = np.full(wanted.shape, 1.0 / self.symbols)
        places = np.zeros(len(ids), dtype=np.int64)
        for length, level in enumerate(self._levels, 1):
            context = places[: max(0, len(ids) - length + 1)]
            found[length - 1 :] = self._mixed(level, context[:, None], wanted[length - 1 :], found[length - 1 :])
            places = self._places(level, context, ids[length - 1 :])
        return found

    def distribution(self, context: Any) -> Floats:
        """The probabilities `[V]` of all symbols after those `[K]`, of which the last `order - 1` count."""
        ids = checked_ids(context, self.symbols)
        ids = ids[max(0, len(ids) - self.order + 1) :]
        every = np.arange(self.symbols)
        found = np.full(self.symbols, 1.0 / self.symbols)
        for length in range(1, len(ids) + 2):
            place = self._place(ids[len(ids) - length + 1 :])
            found = self._mixed(self._levels[length - 1], np.full(self.symbols, place), every, found)
        return found

    def sample(self, length: int, seed: int, prompt: Any = ()) -> Ints:
        """Write so many symbols."""
        chance = np.random.default_rng(seed)
        ids = [int(one) for one in prompt]
        for _ in range(length):
            shares = np.cumsum(self.distribution(ids[max(0, len(ids) - self.order) :]))
            ids.append(int(np.searchsorted(shares, chance.random() * shares[-1], side="right")))
        return np.array(ids[len(ids) - length :], dtype=np.int64)

    def _mixed(self, level: _Level, context: Ints, ids: Ints, shorter: Floats) -> Floats:
        """The probability by n-grams of one length, from that by shorter ones (Chen & Goodman 1999, eq. 16)."""
        is_known = context != _NONE
        context = np.where(is_known, context, 0)
        is_known &= level.total[context] > 0
        place = self._places(level, context, ids)
        count = np.where(place == _NONE, 0, level.counts[place])
        kept = (count - level.discounts[np.minimum(count, 3)]) / np.maximum(level.total[context], 1)
        return np.where(is_known, kept + level.left[context] * shorter, shorter)

    def _places(self, level: _Level, context: Ints, ids: Ints) -> Ints:
        """The places of n-grams, given by those of their first n - 1 symbols and by their last."""
        wanted = context * self.symbols + ids
        place = np.minimum(np.searchsorted(level.keys, wanted), len(level.keys) - 1)
        return np.where((level.keys[place] == wanted) & (context != _NONE), place, _NONE)

    def _place(self, ids: Ints) -> int:
        """The place of one n-gram."""
        place = np.zeros(1, dtype=np.int64)
        for level, one in zip(self._levels, ids, strict=False):
            place = self._places(level, place, np.array([one]))
        return int(place[0])


def _different_before(longer: Ints, places: Ints, of_longer: int, of_shorter: int) -> Ints:
    """How many different symbols stood before each n-gram: how many longer ones end in it.

    longer, places: of the n-grams, the longer and the shorter ones, that begin at each symbol.
    """
    first = np.zeros(of_longer, dtype=np.int64)
    first[longer[::-1]] = np.arange(len(longer))[::-1]  # where each longer one stands first
    return np.bincount(places[first + 1], minlength=of_shorter)


def _level(keys: Ints, counts: Ints, context: Ints, contexts: int) -> _Level:
    discounts = _discounts(counts)
    total = np.bincount(context, weights=counts, minlength=contexts).astype(np.float64)
    taken = np.bincount(context, weights=discounts[np.minimum(counts, 3)], minlength=contexts)
    left = np.divide(taken, total, out=np.ones_like(total), where=total > 0)
    return _Level(keys, counts, discounts, total, left)


def _discounts(counts: Ints) -> Floats:
    """What is taken from a count of 0, 1, 2, and 3 or more (Chen & Goodman 1999, eq. 17)."""
    once, twice, thrice, four = (float((counts == number).sum()) for number in (1, 2, 3, 4))
    found = [0.0, _UNDEFINED, _UNDEFINED, _UNDEFINED]
    share = once / (once + 2 * twice) if once else 0.0
    for number, (here, more) in enumerate(((once, twice), (twice, thrice), (thrice, four)), 1):
        if here and once:
            wanted = number - (number + 1) * share * more / here
            found[number] = wanted if wanted > 0 else _UNDEFINED
    return np.array(found)
