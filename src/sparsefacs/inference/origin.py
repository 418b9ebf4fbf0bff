"""What codes, and what it rests on: for the file beside a table of codes, and for lines and captions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..coders import coder_folder, is_coder_name, read_card
from ..engine.lineage import is_free, synthetic_alone
from ..engine.run import RunFolder
from ..files import sha256_file

if TYPE_CHECKING:
    from .contract import Coder

SYNTHETIC_ALONE = "learned from synthetic faces alone"


@dataclass(frozen=True)
class Origin:
    """name: a packaged coder's, or the path as given. lineage: as of `engine.lineage`, empty where it is not known.

    weights: SHA-256 of its weights. cannot: what its card says that it cannot do, where it has a card.
    """

    name: str
    lineage: tuple[Mapping[str, Any], ...] = ()
    weights: str | None = None
    cannot: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What is to be known of the codes wherever they are shown, a line each."""
        if not synthetic_alone(self.lineage):
            return []
        return [f"{self.name} has {SYNTHETIC_ALONE}; how well it codes real ones, only your own codes can tell"]

    @property
    def caption(self) -> str:
        """The same for the margin of a picture; empty where there is nothing to say."""
        return f"{Path(self.name).name}: {SYNTHETIC_ALONE}" if self.notes else ""

    def as_json(self) -> dict[str, Any]:
        """Return it as the file beside the codes holds it."""
        return {
            "name": self.name,
            "weights_sha256": self.weights,
            "lineage": list(self.lineage),
            "free": is_free(self.lineage) if self.lineage else None,
            "synthetic_alone": synthetic_alone(self.lineage) if self.lineage else None,
            "notes": self.notes,
            "cannot": list(self.cannot),
        }


UNKNOWN = Origin("not named")


def origin_of(run: str | Path, coder: "Coder") -> Origin:
    """Return what `coder` is, which was loaded from `run`: a run folder, an .onnx file or a packaged coder's name."""
    if is_coder_name(str(run)):
        folder = coder_folder(str(run))
        card = read_card(folder.name)
        return Origin(folder.name, coder.lineage, sha256_file(RunFolder(folder).weights), tuple(card["cannot"]))
    weights = Path(run) if Path(run).is_file() else RunFolder(run).weights
    return Origin(Path(run).as_posix(), coder.lineage, sha256_file(weights))
