"""What `predict` did with each input, and with all of them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .beside import beside_path


@dataclass
class InputSummary:
    """What came of one input: frames coded, distinct faces, rows of coded and of lost faces, damage met, other notes.

    every: each so manieth frame was coded.
    """

    input: str
    every: int = 1
    frames: int = 0
    faces: int = 0
    coded_rows: int = 0
    lost_rows: int = 0
    damaged: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Summary:
    """What `predict` did. rejected: (input, reason) of files nothing could be read of; notes: what else to know."""

    out: Path
    inputs: tuple[InputSummary, ...]
    rejected: tuple[tuple[str, str], ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames coded in all."""
        return sum(one.frames for one in self.inputs)

    @property
    def rows(self) -> int:
        """Rows written in all."""
        return sum(one.coded_rows + one.lost_rows for one in self.inputs)

    def messages(self) -> list[str]:
        """Return what a person should know, a line each: rejected files, damage, inputs without a face, notes."""
        lines = [f"rejected: {reason}" for _, reason in self.rejected]
        for one in self.inputs:
            lines += [f"{one.input}: frame {index + 1}: {reason}" for index, reason in one.damaged]
            lines += [f"{one.input}: {note}" for note in one.notes]
            if not one.coded_rows:
                what = "in the photo" if one.frames == 1 else f"in any of its {one.frames} frames"
                lines.append(f"{one.input}: no face was found {what}, so it has no rows")
        return [*lines, *(f"note: {note}" for note in self.notes)]

    @property
    def bad(self) -> tuple[str, ...]:
        """Inputs whose lack is an error: none, since those that cannot be read are left out of the table."""
        return ()

    def text(self) -> str:
        """Return the line at the end."""
        rate = self.frames / max(self.seconds, 1e-9)
        return f"{self.out}: {self.rows} rows of {self.frames} frames, {rate:.1f} frames/s"

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON holds it."""
        return {
            "out": str(self.out),
            "about": str(beside_path(self.out)),
            "notes": list(self.notes),
            "frames": self.frames,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "inputs": [asdict(one) for one in self.inputs],
            "rejected": [{"input": name, "reason": reason} for name, reason in self.rejected],
        }
