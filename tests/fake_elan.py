"""Small ELAN files as ELAN writes them, and with its quirks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

Row = tuple[float | None, float | None, str]
"""An annotation: start and end in ms, None for a slot without time, and its value."""


@dataclass
class FakeElan:
    """A file in the making; rows are named a1, a2 … in the order of the calls."""

    media: Sequence[Mapping[str, str]] = ({"MEDIA_URL": "file:///C:/My%20Videos/clip.mp4", "MIME_TYPE": "video/mp4"},)
    units: str = "milliseconds"
    slots: list[str] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    vocabulary: Sequence[str] = ()
    annotations: int = 0

    def tier(self, name: str, *rows: Row, **attributes: str) -> "FakeElan":
        """Add a tier of annotations with times; a None shares the slot of the neighbour's None beside it."""
        inside, open_slot = "", ""
        for start, end, value in rows:
            first = open_slot if start is None and open_slot else self._slot(start)
            last = self._slot(end)
            open_slot = last if end is None else ""
            inside += self._annotation(
                f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="{{}}" TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{last}">', value
            )
        return self._close(name, inside, attributes)

    def below(self, name: str, parent: str, *rows: tuple[str, str], **attributes: str) -> "FakeElan":
        """Add a tier that depends on `parent`, its annotations referring to others: (id, value)."""
        inside = ""
        for number, value in rows:
            inside += self._annotation(f'<REF_ANNOTATION ANNOTATION_ID="{{}}" ANNOTATION_REF="{number}">', value)
        return self._close(name, inside, {"PARENT_REF": parent, **attributes})

    def text(self) -> str:
        """Return the file."""
        media = "".join(
            "<MEDIA_DESCRIPTOR " + " ".join(f"{key}={quoteattr(value)}" for key, value in row.items()) + "/>"
            for row in self.media
        )
        words = "".join(
            f'<CV_ENTRY_ML CVE_ID="c{place}"><CVE_VALUE LANG_REF="und">{word}</CVE_VALUE></CV_ENTRY_ML>'
            for place, word in enumerate(self.vocabulary)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" '
            'FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">'
            f'<HEADER MEDIA_FILE="" TIME_UNITS="{self.units}">{media}<PROPERTY NAME="lastUsedAnnotationId">9'
            f"</PROPERTY></HEADER><TIME_ORDER>{''.join(self.slots)}</TIME_ORDER>{''.join(self.tiers)}"
            '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="lt" CONTROLLED_VOCABULARY_REF="cv" TIME_ALIGNABLE="true"/>'
            f'<CONTROLLED_VOCABULARY CV_ID="cv">{words}</CONTROLLED_VOCABULARY></ANNOTATION_DOCUMENT>'
        )

    def save(self, path: Path) -> Path:
        """Write the file to `path`."""
        path.write_text(self.text(), encoding="utf-8")
        return path

    def _slot(self, ms: float | None) -> str:
        name = f"ts{len(self.slots) + 1}"
        value = "" if ms is None else f' TIME_VALUE="{ms}"'
        self.slots.append(f'<TIME_SLOT TIME_SLOT_ID="{name}"{value}/>')
        return name

    def _annotation(self, opening: str, value: str) -> str:
        self.annotations += 1
        tag = opening.split(maxsplit=1)[0][1:]
        begin = opening.format(f"a{self.annotations}")
        return f"<ANNOTATION>{begin}<ANNOTATION_VALUE>{escape(value)}</ANNOTATION_VALUE></{tag}></ANNOTATION>"

    def _close(self, name: str, inside: str, attributes: Mapping[str, str]) -> "FakeElan":
        extra = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        self.tiers.append(f'<TIER LINGUISTIC_TYPE_REF="lt" TIER_ID={quoteattr(name)}{extra}>{inside}</TIER>')
        return self
