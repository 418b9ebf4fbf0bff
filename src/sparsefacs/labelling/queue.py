"""The queue of faces to be coded: a strategy's choice for training, and a random share that is kept for the test."""

import math
from collections.abc import Mapping
from concurrent.futures import Future
from threading import Event, Lock, RLock, Thread

import numpy as np

from ..coders import LATEST, coder_folder
from ..data.store import Store
from ..errors import InputError
from .asking import Ask
from .choosing import OURS, check_strategy, choose
from .features import NO_CODER, Features, Rows, store_features, with_pixels
from .learner import Answers, Beliefs
from .pool import APART_S, Pool, near

TEST_SHARE = 0.2
LARGE = 20_000
"""Faces of a store whose numbers take more than half a second to read."""
AT_ONCE = 6
"""Faces asked of a large store while its numbers are read: somebody who codes them is slower than that."""


class StoreQueue:
    """Which face of a store is asked next, and what is believed of it. All functions may be called by several threads.

    strategy: of `choosing.STRATEGIES`. coder: a packaged coder to begin from, or `none`. seed: draws who is tested on.
    test_share: of people (moments, where the store holds one or two people) set aside, and of faces asked from among
    them, at random. wait: do the coder's pass over all faces now where none is kept; else it goes on beside, and faces
    are known by their points and blendshapes until it is done; `problem` says why it was not. The first six faces asked
    of a large store are drawn at random, those for training of every person alike, so that nobody waits until its
    numbers are read. Raises InputError for unknown names and shares.
    """

    def __init__(
        self,
        store: Store,
        aus: tuple[int, ...],
        *,
        strategy: str = OURS,
        coder: str = LATEST,
        seed: int = 0,
        test_share: float = TEST_SHARE,
        wait: bool = False,
    ) -> None:
        if not 0 <= test_share < 1:
            raise InputError(f"{test_share:g} is no share for the test", remedy="Give 0 to 0.9, such as 0.2")
        self.aus, self.strategy = aus, check_strategy(strategy)
        self._store, self._seed, self._share = store, seed, test_share
        # by its own name, under which what its pass said is kept
        self._coder = coder if coder == NO_CODER else coder_folder(coder).name
        self.pool = Pool.of(store, seed=seed, test_share=test_share)
        self._tests = np.random.default_rng([seed, 1]).permutation(self.pool.test)
        # faces that are asked before numbers are read
        self.at_once = 0 if wait or len(store) <= LARGE else AT_ONCE
        self._begun: int | None = None  # faces that were asked in earlier sessions
        self._guard, self._one_pass = RLock(), Lock()
        self._answers: Answers = {}
        self._learned: Beliefs | None = None
        self.problem = ""
        self._opened: Future[Beliefs] = Future()
        self._ended, self._beside = Event(), Thread(target=self._open_and_look, name="looking at faces", daemon=True)
        if wait:
            self._open()
            self.look()
        else:
            self._beside.start()

    def close(self) -> None:
        """End the pass that goes on beside: native code at work when Python ends would abort it."""
        self._ended.set()
        if self._beside.is_alive():
            self._beside.join()

    @property
    def known(self) -> Features:
        """What is known of the faces now."""
        return self._now.features

    @property
    def _now(self) -> Beliefs:
        """What is believed now; waits until the store's numbers are read."""
        with self._guard:
            if self._learned is not None:
                return self._learned
        return self._opened.result()

    @property
    def told(self) -> str:
        """What is kept for the test, in a sentence."""
        tests, everyone = len(np.unique(self.pool.person_M[self.pool.test])), len(np.unique(self.pool.person_M))
        if not len(self.pool.test):
            return "nothing is kept for a test"
        if self.pool.people_tested:
            return f"{tests} of {everyone} people are kept for the test"
        who = "one person" if everyone == 1 else f"{everyone} people"
        return (
            f"the store shows {who}: stretches of time are kept for the test, so that scores are of other moments of "
            "the same faces and say nothing about other people"
        )

    def next(self, answered: Mapping[int, object], count: int = 1) -> list[Ask]:
        """Return the next faces, none of them answered; fewer at the very first; none where there are no more.

        answered: rows that were asked before, whatever was answered. The same rows give the same faces, as long as
        nothing was learned between and the first call was for as many.
        """
        rows = np.array(sorted(answered), np.int64)
        self._begun = len(rows) if self._begun is None else self._begun
        at_once = self._begun + self.at_once - len(rows)
        count = min(count, at_once) if at_once > 0 else count
        tests = int(self.pool.test_M[rows].sum())
        due = math.ceil(self._share * (len(rows) + count) - 1e-9) - tests  # the first face is one: it needs no beliefs
        kept = self._random(rows, min(max(due, 0), count))
        train: list[Ask] = []
        if len(kept) < count:
            rng = np.random.default_rng([self._seed, 2, len(rows)])
            if at_once > 0:
                left = np.setdiff1d(self.pool.train, rows)
                train = [Ask(row, "coverage") for row in self.pool.spread(left, count - len(kept), rng).tolist()]
            else:
                chosen = choose(self.strategy, self._now, self.pool, rows, count - len(kept), rng)
                train = [Ask(row, why) for row, why in chosen]
        short = count - len(kept) - len(train)
        if short > 0 and not train:  # training is coded to its end
            kept = self._random(rows, len(kept) + short)
        return _mixed(train, [Ask(row, "random", True) for row in kept])

    def learn(self, answers: Answers) -> None:
        """Learn from answers (row → AU → 1, 0, or None where it cannot be judged); those for the test are not read."""
        own = {row: told for row, told in answers.items() if not self.pool.test_M[row]}
        with self._one_pass:
            learned = Beliefs.learned(self.known, self.aus, own)
            with self._guard:
                self._answers, self._learned = own, learned

    def beliefs(self, row: int) -> dict[int, float]:
        """Return AU → probability that a run which learned from the same answers gives it on the face of `row`; of a
        large store nothing until it is read.
        """
        if self.at_once and not self._opened.done():
            return {}
        chance_A = self._now.settled.probabilities(np.array([row], np.int64))[0]
        return {au: float(chance) for au, chance in zip(self.aus, chance_A, strict=True)}

    def look(self) -> None:
        """Do the coder's pass over all faces, keep it, and learn again."""
        if self._coder == NO_CODER or self.known.whole:
            return
        features = with_pixels(self._store, self.known, self._coder, wanted=lambda: not self._ended.is_set())
        if not features.whole:
            return
        with self._one_pass:
            learned = Beliefs.learned(features, self.aus, self._answers)
            with self._guard:
                self._learned = learned

    def _open(self) -> None:
        try:
            features = store_features(self._store, self.aus, self._coder, self.pool.train)
            self._opened.set_result(Beliefs.learned(features, self.aus, {}))
        except BaseException as error:  # told to whoever waits
            self._opened.set_exception(error)

    def _open_and_look(self) -> None:
        self._open()
        try:
            self.look()
        except (InputError, OSError, RuntimeError) as error:
            self.problem = str(error)

    def _random(self, rows: Rows, count: int) -> list[int]:
        """Return the next `count` faces of the test, in the order of a draw that no answer and no belief changes."""
        pool, found = self.pool, list[int]()
        free = self._tests[~np.isin(self._tests, rows)]
        for apart in (APART_S, 0.0):
            for row in free.tolist():
                if len(found) >= count:
                    return found
                taken = np.concatenate([rows, found]).astype(np.int64)
                taken = taken[~pool.still_M[taken]]
                if row not in found and not near(
                    pool.clip_M[[row]], pool.time_M[[row]], pool.clip_M[taken], pool.time_M[taken], apart
                ):
                    found.append(row)
        return found


def _mixed(train: list[Ask], kept: list[Ask]) -> list[Ask]:
    """Return both, the faces of the test spread evenly among the others."""
    total = len(train) + len(kept)
    places = {int((n + 1) * total / len(kept)) - 1 for n in range(len(kept))}
    rest, tests = iter(train), iter(kept)
    return [next(tests) if place in places else next(rest) for place in range(total)]
