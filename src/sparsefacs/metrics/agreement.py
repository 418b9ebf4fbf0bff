"""Agreement of two coders, from sums over people: κ, MCC, α, ICC and events, and why one of them is undefined.

A coder may be a program. All coefficients are functions of sums that add up over people, so that a resample of people
needs only those sums. Sums end in the shapes (2, 2) of a table of frames, [A says][B says] absent, present; (6,) of
moments n, Σx, Σy, Σx², Σy², Σxy of two ratings; (6, 6) of a table of whole intensities 0–5; and (3,) of events that
match, that A has, that B has. What is not defined is NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pairing import most_pairs
from .intensity import icc_3_1
from .occurrence import f1

Floats = NDArray[np.float64]
LEVELS = 6
_FLAT = 1e-12  # a variance below this share of the mean square is rounding, not variation


def frame_table(first_MA: NDArray[np.int8], second_MA: NDArray[np.int8]) -> Floats:
    """Return the (A, 2, 2) tables of two occurrence codings, 0 or 1, −1 unknown; frames unknown to one do not count."""
    first, second = ((coded == 1, coded == 0) for coded in (first_MA, second_MA))
    table = np.empty((first_MA.shape[1], 2, 2))
    for a, said_a in enumerate(reversed(first)):
        for b, said_b in enumerate(reversed(second)):
            table[:, a, b] = (said_a & said_b).sum(axis=0)
    return table


def moments(first_MA: Floats, second_MA: Floats) -> Floats:
    """Return the (A, 6) moments of two ratings, NaN unknown; rows unknown to one do not count."""
    used = ~np.isnan(first_MA) & ~np.isnan(second_MA)
    x, y = (np.where(used, told, 0.0).astype(np.float64) for told in (first_MA, second_MA))
    return np.stack([term.sum(axis=0) for term in (used.astype(float), x, y, x * x, y * y, x * y)], axis=1)


def level_table(first_MA: Floats, second_MA: Floats) -> tuple[Floats, Floats]:
    """Return the (A, 6, 6) tables of two intensity codings, and how many frames (A,) lie between whole levels."""
    used = ~np.isnan(first_MA) & ~np.isnan(second_MA)
    x, y = (np.where(used, told, 0.0).astype(np.float64) for told in (first_MA, second_MA))
    whole = used & (x % 1 == 0) & (y % 1 == 0)
    cells = (x * LEVELS + y).astype(np.int64)
    table = [np.bincount(cells[on, place], minlength=LEVELS**2) for place, on in enumerate(whole.T)]
    tables = np.array(table, float).reshape(-1, LEVELS, LEVELS)
    return tables, (used & ~whole).sum(axis=0).astype(float)


def cohen_kappa(table: Floats) -> Floats:
    """Return Cohen's κ, (…,), of tables (…, 2, 2); NaN where both say the same throughout."""
    frames, a, b = _margins(table)
    agreed = _ratio(table[..., 0, 0] + table[..., 1, 1], frames)
    chance = _ratio(a * b + (frames - a) * (frames - b), frames**2)
    return _ratio(agreed - chance, 1 - chance)


def free_marginal_kappa(table: Floats) -> Floats:
    """Return Brennan and Prediger's κ, chance being one half: 2 × share of frames agreed on − 1; NaN without frames."""
    return 2 * _ratio(table[..., 0, 0] + table[..., 1, 1], _margins(table)[0]) - 1


def mcc(table: Floats) -> Floats:
    """Return Matthews' correlation; NaN where one says the same throughout."""
    frames, a, b = _margins(table)
    spread = np.sqrt(a * (frames - a)) * np.sqrt(b * (frames - b))
    return _ratio(table[..., 1, 1] * table[..., 0, 0] - table[..., 1, 0] * table[..., 0, 1], spread)


def nominal_alpha(table: Floats) -> Floats:
    """Return Krippendorff's α of occurrence; NaN where both say the same throughout."""
    frames, a, b = _margins(table)
    present, absent = a + b, 2 * frames - a - b
    differing = table[..., 1, 0] + table[..., 0, 1]
    return 1 - _ratio((2 * frames - 1) * differing, present * absent)


def interval_alpha(sums: Floats) -> Floats:
    """Return Krippendorff's α for intervals from moments (…, 6); NaN where no rating differs from any other."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    observed = _ratio(xx + yy - 2 * xy, n)
    spread = 2 * n * (xx + yy) - (x + y) ** 2
    spread = np.where(spread > _FLAT * 2 * n * (xx + yy), spread, 0.0)
    return 1 - _ratio(observed * n * (2 * n - 1), spread)


def ordinal_alpha(levels: Floats) -> Floats:
    """Return Krippendorff's α for ordered levels from tables (…, 6, 6); NaN where only one level occurs.

    The ordinal distance of two levels is that of their middle ranks among all ratings of both.
    """
    counts = levels.sum(axis=-1) + levels.sum(axis=-2)
    rank = np.cumsum(counts, axis=-1) - counts / 2
    squared = (rank[..., :, None] - rank[..., None, :]) ** 2
    total = counts.sum(axis=-1)
    observed = _ratio(2 * (levels * squared).sum(axis=(-2, -1)), total)
    expected = _ratio((counts[..., :, None] * counts[..., None, :] * squared).sum(axis=(-2, -1)), total * (total - 1))
    return 1 - _ratio(observed, expected)


def icc_2_1(sums: Floats) -> Floats:
    """Return ICC(2,1), absolute agreement of single ratings, from moments; NaN where ICC(3,1) is.

    Shrout & Fleiss 1979: (BMS − EMS) / (BMS + (k − 1) EMS + k (JMS − EMS) / n), for k = 2 raters.
    """
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    safe = np.where(n > 1, n, np.nan)
    variances, covariance = (xx - x * x / safe) + (yy - y * y / safe), xy - x * y / safe
    between, error = (variances / 2 + covariance) / (safe - 1), (variances / 2 - covariance) / (safe - 1)
    raters = (x - y) ** 2 / (2 * safe)
    defined = variances > _FLAT * (xx + yy)
    below = between + error + 2 * (raters - error) / safe
    return np.where(defined, _ratio(between - error, np.where(defined, below, 0.0)), np.nan)


def match_events(first_E2: Floats, second_F2: Floats, *, onset_tolerance_s: float, overlap: float) -> NDArray[np.int64]:
    """Return the matching pairs (M, 2) of two lists of events, each with onset and offset: as many as possible.

    Two events may match whose onsets are at most `onset_tolerance_s` apart and whose common time is at least the share
    `overlap` of the time that either covers. Each event matches at most one.
    """
    order = np.argsort(second_F2[:, 0], kind="stable")
    onsets, slack = second_F2[order, 0], 1e-9
    choices = []
    for onset, offset in first_E2:
        low = np.searchsorted(onsets, onset - onset_tolerance_s - slack)
        near = order[low : np.searchsorted(onsets, onset + onset_tolerance_s + slack, "right")]
        begins, ends = second_F2[near].T
        common = np.clip(np.minimum(ends, offset) - np.maximum(begins, onset), 0, None)
        covered = (ends - begins) + (offset - onset) - common
        choices.append(near[common >= overlap * covered - slack].tolist())
    return most_pairs(choices, len(second_F2))


@dataclass(frozen=True)
class Tally:
    """Sums of A AUs, as of this module, of one video or person: what two coders said of it.

    table: (A, 2, 2). moments: (A, 6) of intensities. levels: (A, 6, 6). between: (A,) frames with an intensity between
    whole levels. shares: (A, 6) moments of the share of time an AU is present, a video each. events: (A, 3).
    """

    table: Floats
    moments: Floats
    levels: Floats
    between: Floats
    shares: Floats
    events: Floats

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(self._sums, other._sums, strict=True)))

    @property
    def _sums(self) -> tuple[Floats, ...]:
        return self.table, self.moments, self.levels, self.between, self.shares, self.events

    def of_au(self, place: int) -> "Tally":
        """Return the sums of one AU, without the axis of AUs."""
        return Tally(*(sums[place] for sums in self._sums))

    def values(self) -> dict[str, Floats]:
        """Return each coefficient of `COEFFICIENTS`, (…, A)."""
        return {name: row.of(self) for name, row in COEFFICIENTS.items()}


class PeopleTallies:
    """Tallies of S people, as `metrics.bootstrap` resamples them."""

    def __init__(self, people: list[Tally]) -> None:
        self._stacked = [np.stack(sums) for sums in zip(*(tally._sums for tally in people), strict=True)]
        self.shape = len(people), self._stacked[0].shape[1]

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each coefficient, (B, A), when person s counts weights_BS[b, s] times."""
        return Tally(*(np.tensordot(weights_BS, sums, axes=1) for sums in self._stacked)).values()


@dataclass(frozen=True)
class Coefficient:
    """A coefficient: its name in tables; how it comes from a tally; why it is undefined for one AU's tally."""

    title: str
    of: Callable[[Tally], Floats]
    why: Callable[[Tally], str]


def _why_frames(tally: Tally) -> str:
    frames, a, b = _margins(tally.table)
    if not frames:
        return "no frame was coded by both"
    said = [("present" if present else "absent") if present in (0, frames) else "" for present in (a, b)]
    if said[0] and said[0] == said[1]:
        return f"both say {said[0]} throughout"
    return " and ".join(f"{who} says {word} throughout" for who, word in zip("AB", said, strict=True) if word)


def _why_ratings(sums: Callable[[Tally], Floats], what: str, whose: str) -> Callable[[Tally], str]:
    def why(tally: Tally) -> str:
        count = int(sums(tally)[..., 0])
        if not count:
            return f"no {what} has {whose} from both"
        return f"only one {what} has {whose} from both" if count == 1 else f"{whose} never varies"

    return why


def _why_levels(tally: Tally) -> str:
    return "intensities lie between whole levels" if tally.between else _why_intensity(tally)


def _why_events(tally: Tally) -> str:
    if np.isnan(tally.events).any():
        return "frames without times have no events"
    none = [who for who, count in zip("AB", tally.events[..., 1:], strict=True) if not count]
    who = "neither has an event" if len(none) == 2 else f"{none[0]} has no event"
    return f"{who} in a stretch that both coded"


def _event_share(of: Callable[[Floats, Floats, Floats], Floats]) -> Callable[[Tally], Floats]:
    return lambda tally: of(*np.moveaxis(tally.events, -1, 0))


def _icc_3_1(sums: Floats) -> Floats:
    icc = icc_3_1(*np.moveaxis(sums, -1, 0))
    return np.where(sums[..., 0] > 1, icc, np.nan)


_why_intensity = _why_ratings(lambda tally: tally.moments, "frame", "an intensity")
_why_shares = _why_ratings(lambda tally: tally.shares, "video", "a share of time")

COEFFICIENTS: Mapping[str, Coefficient] = {
    "base_a": Coefficient("present: A", lambda t: _ratio(_margins(t.table)[1], _margins(t.table)[0]), _why_frames),
    "base_b": Coefficient("present: B", lambda t: _ratio(_margins(t.table)[2], _margins(t.table)[0]), _why_frames),
    "kappa": Coefficient("κ", lambda t: cohen_kappa(t.table), _why_frames),
    "kappa_free": Coefficient("free κ", lambda t: free_marginal_kappa(t.table), _why_frames),
    "mcc": Coefficient("MCC", lambda t: mcc(t.table), _why_frames),
    "alpha": Coefficient("α", lambda t: nominal_alpha(t.table), _why_frames),
    "f1": Coefficient("F1", lambda t: f1(t.table[..., 1, 1], t.table[..., 0, 1], t.table[..., 1, 0]), _why_frames),
    "icc_3_1": Coefficient("ICC(3,1) intensity", lambda t: _icc_3_1(t.moments), _why_intensity),
    "icc_2_1": Coefficient("ICC(2,1) intensity", lambda t: icc_2_1(t.moments), _why_intensity),
    "alpha_interval": Coefficient("α interval", lambda t: interval_alpha(t.moments), _why_intensity),
    "alpha_ordinal": Coefficient(
        "α ordinal", lambda t: np.where(t.between > 0, np.nan, ordinal_alpha(t.levels)), _why_levels
    ),
    "time_icc_3_1": Coefficient("ICC(3,1) time", lambda t: _icc_3_1(t.shares), _why_shares),
    "time_icc_2_1": Coefficient("ICC(2,1) time", lambda t: icc_2_1(t.shares), _why_shares),
    "event_precision": Coefficient("event precision", _event_share(lambda hit, a, b: _ratio(hit, b)), _why_events),
    "event_recall": Coefficient("event recall", _event_share(lambda hit, a, b: _ratio(hit, a)), _why_events),
    "event_f1": Coefficient("event F1", _event_share(lambda hit, a, b: f1(hit, b - hit, a - hit)), _why_events),
}
"""Every coefficient by its name in files. A is the reference of precision and recall."""


def _margins(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the frames of tables (…, 2, 2), and in how many of them A and B say present."""
    return table.sum(axis=(-2, -1)), table[..., 1, :].sum(axis=-1), table[..., :, 1].sum(axis=-1)


def _ratio(above: Floats, below: Floats) -> Floats:
    defined = below > _FLAT
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=defined)
    return ratio
