"""Label statistics of real data sets, as data (tables/profiles.json)."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from ..errors import InputError

PROFILES = ("bp4d", "disfa")


@dataclass(frozen=True)
class Profile:
    """Statistics of one data set's labels, and documented assumptions about AUs it does not label."""

    name: str
    raw: dict[str, Any]
    assumed: dict[str, Any]

    @property
    def fps(self) -> float:
        """Frames a second."""
        return float(self.raw["fps"])

    @property
    def clip_frames(self) -> int:
        """Median clip length in frames."""
        return int(self.raw["clip_frames"])

    @property
    def active_level(self) -> int:
        """Intensity (1–5) from which the data set counts an AU as active."""
        return int(self.raw["active_level"])

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs whose statistics are measured."""
        return tuple(int(au) for au in self.raw["base_rate"])

    @property
    def other(self) -> str:
        """The profile to ask about pairs that this one does not know."""
        return "disfa" if self.name == "bp4d" else "bp4d"

    def rate(self, au: int) -> float:
        """Share of frames in which `au` is active."""
        known = self.raw["base_rate"].get(str(au), self.assumed["base_rate"][self.name].get(str(au)))
        return float(self.assumed["base_rate"]["any other"] if known is None else known)

    def spread(self, au: int) -> float:
        """Standard deviation between subjects of that share."""
        known = self.raw["subject_rate_std"].get(str(au))
        return float(0.8 * self.rate(au) if known is None else known)

    def joint(self, first: int, second: int) -> float | None:
        """Share of frames in which both are active; None where not measured."""
        table = self.raw["p_col_given_row"]
        if str(first) not in table or str(second) not in table:
            return None
        one = table[str(first)][str(second)] * self.rate(first)
        two = table[str(second)][str(first)] * self.rate(second)
        return float((one + two) / 2)

    def conditional(self, row: int, column: int) -> float:
        """P(column active | row active), measured."""
        return float(self.raw["p_col_given_row"][str(row)][str(column)])

    def runs(self, au: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Quartiles (25, 50, 75 %) of active and of inactive run lengths, frames."""
        table = self.raw["run_length_frames_p10_25_50_75_90"][str(au)]
        on, off = (tuple(float(value) for value in table[kind][1:4]) for kind in ("on", "off"))
        return on, off  # type: ignore[return-value]

    def time_scales(self, au: int) -> tuple[float, float, float]:
        """Fast and slow standard deviation in frames, and the slow process's share of variance."""
        fast, slow, share = self.raw["time_scales"].get(str(au), self.assumed["time_scales"])
        return float(fast), float(slow), float(share)

    @property
    def root_signs(self) -> tuple[int, ...]:
        """Signs, 1 or −1, of the eigenvectors' largest entries, for the default AUs (see `dynamics`)."""
        return tuple(1 if sign == "+" else -1 for sign in self.raw["root_signs"])

    def assumed_correlation(self, first: int, second: int) -> float:
        """Latent correlation assumed for a pair that no profile measures; 0 unless listed."""
        low, high = sorted((first, second))
        return float(self.assumed["latent_correlation"].get(f"{low},{high}", 0.0))


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    text = (resources.files(__package__) / "tables" / "profiles.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@lru_cache(maxsize=4)
def load_profile(name: str) -> Profile:
    """Return profile `bp4d` or `disfa`; raises InputError for any other name."""
    if name not in PROFILES:
        raise InputError(f"{name!r} is not a profile of label statistics", remedy=f"Choose {' or '.join(PROFILES)}")
    tables = _tables()
    return Profile(name, tables["profiles"][name], tables["assumed"])
