"""The faces of a store that may be asked: whose, from which moment, and which are kept for the test.

People of the test are drawn by the seed and never asked for training. Where a store holds fewer than three people,
nobody can be set aside: stretches of time are, so that scores are of other moments of the same people.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..data.store import Store
from ..protocols.draw import draw_keys, shuffled

Rows = NDArray[np.int64]

FEWEST_PEOPLE = 3
STRETCH_S = 10.0
"""Seconds of the stretches that stand for people where there are too few of these."""
STRETCHES = 10
"""Stretches at least that a clip is cut in, however short it is."""
APART_S = 0.5
"""Seconds between two asked faces of a clip: nearer ones tell about the same."""


@dataclass(frozen=True)
class Pool:
    """M faces. person_M, clip_M: numbers from 0; time_M: seconds into the clip; test_M: kept for the test.

    still_M: whether a face's clip has no time, such as photos. people_tested: whether people are set aside, rather than
    moments. gap_M: faces so near to a stretch of the test that they are asked for neither.
    """

    person_M: Rows  # noqa: N815 -- a shape suffix
    clip_M: Rows  # noqa: N815
    time_M: NDArray[np.float64]  # noqa: N815
    still_M: NDArray[np.bool_]  # noqa: N815
    test_M: NDArray[np.bool_]  # noqa: N815
    gap_M: NDArray[np.bool_]  # noqa: N815
    people_tested: bool

    @classmethod
    def of(cls, store: Store, *, seed: int, test_share: float) -> "Pool":
        """Return the faces of `store`, the test drawn by `seed`: `test_share` of its people, or of its stretches."""
        return cls.made(store.strings("subject"), store.strings("clip"), store.numbers("time"), seed, test_share)

    @classmethod
    def made(
        cls,
        subject_M: NDArray[np.str_],
        name_M: NDArray[np.str_],
        time_M: NDArray[np.floating],
        seed: int,
        test_share: float,
    ) -> "Pool":
        """Return the faces of these people and clips."""
        names, person_M = np.unique(subject_M, return_inverse=True)
        clips, name_of_M = np.unique(name_M, return_inverse=True)
        clip_M = np.unique(person_M * len(clips) + name_of_M, return_inverse=True)[1]
        times = np.nan_to_num(np.asarray(time_M, np.float64))
        first, last = _ends(times, clip_M)
        still_M = (last == first)[clip_M]
        gap_M = np.zeros(len(times), bool)
        people_tested = len(names) >= FEWEST_PEOPLE
        if people_tested:
            tested = shuffled(seed, "test people", names.tolist())[: _count(len(names), test_share)]
            test_M = np.isin(subject_M, tested)
        else:
            test_M, gap_M = _stretches(times, clip_M, first, last, subject_M, name_M, seed, test_share)
        return cls(
            np.asarray(person_M, np.int64), np.asarray(clip_M, np.int64), times, still_M, test_M, gap_M, people_tested
        )

    def __len__(self) -> int:
        return len(self.person_M)

    @cached_property
    def train(self) -> Rows:
        """Rows that may be asked for training."""
        return np.flatnonzero(~self.test_M & ~self.gap_M)

    @cached_property
    def test(self) -> Rows:
        """Rows that may be asked for the test."""
        return np.flatnonzero(self.test_M)

    def spread(self, rows: Rows, most: int, rng: np.random.Generator) -> Rows:
        """Return at most `most` of `rows`, ascending, drawn by `rng` so that every person has as many as can be."""
        if len(rows) <= most:
            return np.sort(rows)
        drawn = rng.permutation(rows)
        by_person = np.argsort(self.person_M[drawn], kind="stable")
        people = self.person_M[drawn][by_person]
        starts = np.flatnonzero(np.r_[True, people[1:] != people[:-1]])
        place = np.empty(len(drawn), np.int64)
        place[by_person] = np.arange(len(drawn)) - np.repeat(starts, np.diff(np.r_[starts, len(drawn)]))
        return np.sort(drawn[np.argsort(place, kind="stable")[:most]])


def _count(things: int, share: float) -> int:
    """Return how many of `things` make `share`: one at least where any is wanted, and one is left."""
    return 0 if share <= 0 else min(max(round(share * things), 1), things - 1)


def _ends(time_M: NDArray[np.float64], clip_M: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and last time of each clip."""
    count = int(clip_M.max(initial=-1)) + 1
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, clip_M, time_M)
    np.maximum.at(last, clip_M, time_M)
    return first, last


def _stretches(
    time_M: NDArray[np.float64],
    clip_M: Rows,
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    subject_M: NDArray[np.str_],
    name_M: NDArray[np.str_],
    seed: int,
    share: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which faces lie in stretches kept for the test, and which so near to one that they are not asked."""
    length_M = np.minimum(STRETCH_S, (last - first) / STRETCHES)[clip_M]
    at_M = np.floor((time_M - first[clip_M]) / np.where(length_M > 0, length_M, 1)).astype(np.int64)
    at_M = np.where(length_M > 0, at_M, 0)
    units, unit_M = np.unique(np.stack([clip_M, at_M]), axis=1, return_inverse=True)
    unit_M = unit_M.reshape(-1)
    member = np.zeros(units.shape[1], np.int64)
    member[unit_M] = np.arange(len(unit_M))
    keys = draw_keys(
        seed, "test stretches", ((str(subject_M[m]), str(name_M[m]), int(units[1, u])) for u, m in enumerate(member))
    )
    kept = np.zeros(units.shape[1], bool)
    if len(kept) > 1:
        kept[np.argsort(keys, kind="stable")[: _count(len(kept), share)]] = True
    test_M = kept[unit_M]
    margin_M = np.minimum(APART_S, length_M / 4)
    return test_M, ~test_M & near(clip_M, time_M, clip_M[test_M], time_M[test_M], margin_M)


def near(
    clip_N: Rows,
    time_N: NDArray[np.float64],
    asked_clip_L: Rows,
    asked_time_L: NDArray[np.float64],
    within: NDArray[np.float64] | float,
) -> NDArray[np.bool_]:
    """Return which of N faces lie less than `within` seconds from one of L faces of the same clip."""
    if not len(asked_clip_L):
        return np.zeros(len(clip_N), bool)
    order = np.lexsort((asked_time_L, asked_clip_L))
    clips, times = asked_clip_L[order], asked_time_L[order]
    span = max(float(np.abs(time_N).max(initial=0)), float(np.abs(times).max())) * 4 + 10
    place = np.searchsorted(clips * span + times, clip_N * span + time_N)
    found = np.zeros(len(clip_N), bool)
    for other in (np.clip(place - 1, 0, len(clips) - 1), np.clip(place, 0, len(clips) - 1)):
        found |= (clips[other] == clip_N) & (np.abs(times[other] - time_N) < within)
    return found


class Allowance:
    """Which of N candidates may still be chosen: none twice, and, where `fair`, none near in time, no person or clip
    far above the others.

    Where nobody else is left the distance goes first, then the quotas, so that a store can be coded to its end.
    """

    PERSON, CLIP = 1.5, 2.0  # times the mean that a person's, a clip's share may be

    def __init__(self, pool: Pool, candidates: Rows, asked: Rows, count: int, *, fair: bool = True) -> None:
        self._pool, self._rows, self._fair = pool, candidates, fair
        self._asked = list(map(int, asked))
        self._taken = np.isin(candidates, asked)
        self._people = np.bincount(pool.person_M[asked], minlength=int(pool.person_M.max(initial=0)) + 1)
        self._clips = np.bincount(pool.clip_M[asked], minlength=int(pool.clip_M.max(initial=0)) + 1)
        total = len(asked) + count
        train = pool.train if len(pool.train) else np.arange(len(pool))
        self._most_person = np.ceil(self.PERSON * total / len(np.unique(pool.person_M[train])))
        self._most_clip = np.ceil(self.CLIP * total / len(np.unique(pool.clip_M[train])))
        self._near = self._near_asked(asked) if fair else np.zeros(len(candidates), bool)

    def _near_asked(self, rows: Rows) -> NDArray[np.bool_]:
        pool, own = self._pool, self._rows
        rows = rows[~pool.still_M[rows]]
        return near(pool.clip_M[own], pool.time_M[own], pool.clip_M[rows], pool.time_M[rows], APART_S)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which may be chosen now, (N,)."""
        free: NDArray[np.bool_] = ~self._taken
        if not self._fair:
            return free
        fair: NDArray[np.bool_] = free & (self._people[self._pool.person_M[self._rows]] < self._most_person)
        fair &= self._clips[self._pool.clip_M[self._rows]] < self._most_clip
        apart: NDArray[np.bool_] = fair & ~self._near
        if apart.any():
            return apart
        return fair if fair.any() else free

    def best(self, score_N: NDArray[np.floating]) -> int | None:
        """Take the candidate of the highest score that is open and return its place; None where none is left."""
        allowed = self.open
        if not allowed.any():
            return None
        place = int(np.argmax(np.where(allowed, score_N, -np.inf)))
        self.take(place)
        return place

    def take(self, place: int) -> None:
        """Count candidate number `place` as chosen."""
        row = self._rows[place]
        self._taken[place] = True
        self._people[self._pool.person_M[row]] += 1
        self._clips[self._pool.clip_M[row]] += 1
        if self._fair:
            self._near |= self._near_asked(np.array([row]))
