"""Which faces of a video are lost in a frame, so that a lost face leaves a mark and not a hole."""

from dataclasses import dataclass

from ..faces.tracking import GAP_S

CONFIRMED_FRAMES = 3  # a face seen in fewer frames than this is too fleeting to be missed


@dataclass
class _Known:
    frames: int
    seen_s: float


class Presence:
    """Says, frame by frame and in bounded memory, which known faces a frame of one video lacks.

    A face is lost as long as the tracker would still give its id back, that is for `gap_s` seconds after it was last
    seen; later it has left the picture and is not mentioned. A frame without any face mentions at least the face seen
    last, so that from the first face on every frame has a row.
    """

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._gap_s = gap_s
        self._known: dict[int, _Known] = {}
        self._last: int | None = None

    def lost(self, seen: list[int], time_s: float) -> list[int]:
        """Return the ids of the faces lost in the frame at `time_s` seconds in which the faces `seen` are found."""
        self._known = {face: known for face, known in self._known.items() if time_s - known.seen_s <= self._gap_s}
        for face in seen:
            known = self._known.setdefault(face, _Known(0, time_s))
            known.frames, known.seen_s = known.frames + 1, time_s
        if seen:
            self._last = min(seen)
        missing = [face for face, known in self._known.items() if face not in seen and known.frames >= CONFIRMED_FRAMES]
        if not missing and not seen and self._last is not None:
            missing = [self._last]
        return sorted(missing)
