"""Agreement of two coders as a table in the terminal and as a page."""

import math
from collections.abc import Sequence
from pathlib import Path

from ..events.agreement import Agreement, Figure
from ..facs import UNITS
from ..files import write_text
from ..metrics.agreement import COEFFICIENTS
from ..version import VERSION
from .page import check_page_path, template
from .tables import Cell, Table, au_head, figure, in_columns, with_interval

_OCCURRENCE = ("base_a", "base_b", "kappa", "kappa_free", "mcc", "alpha", "f1")
_INTENSITY = ("icc_3_1", "icc_2_1", "alpha_interval", "alpha_ordinal")
_TIME = ("time_icc_3_1", "time_icc_2_1")
_EVENTS = ("event_precision", "event_recall", "event_f1")
_SECTIONS = (
    (
        "occurrence", "Present or absent, frame by frame", _OCCURRENCE,
        "κ takes off what chance would give at these base rates; free κ takes chance for one half. F1 counts only the "
        "frames in which one of both says present.",
    ),
    (
        "intensity", "Intensity, frame by frame", _INTENSITY,
        "ICC(2,1) and α fall when one coder is always higher; ICC(3,1) does not.",
    ),
    ("time", "Share of time per video", _TIME, "How alike the videos' shares of time with the AU are."),
    ("events", "Events", _EVENTS, ""),
)  # fmt: skip
_IN_TERMINAL = {
    "base_a": "A", "base_b": "B", "kappa": "κ", "kappa_free": "free κ", "mcc": "MCC", "alpha": "α", "f1": "F1",
    "icc_3_1": "ICC3", "icc_2_1": "ICC2", "time_icc_3_1": "tICC3", "time_icc_2_1": "tICC2", "event_f1": "evF1",
}  # fmt: skip
_LEGEND = (
    "A, B: share of frames present; ICC3, ICC2: ICC(3,1), ICC(2,1) of intensity;\n"
    "tICC3, tICC2: of the share of time per video; evF1: F1 of events; –: undefined"
)


def agreement_text(told: Agreement) -> str:
    """Return what was compared, a line an AU and one for their mean, and what is undefined.

    The table is at most 100 columns wide. Values stand without intervals, for want of room.
    """
    lines = [["AU", "name", "frames", *_IN_TERMINAL.values()]]
    for au in told.aus:
        values = [_short(told.figures[au][name]) for name in _IN_TERMINAL]
        lines.append([f"AU{au}", UNITS[au].name if au in UNITS else "", f"{told.frames[au]:,}", *values])
    lines.append(["mean", "", "", *(_short(told.figures[None][name]) for name in _IN_TERMINAL)])
    undefined = [f"undefined: {line}" for line in told.undefined]
    return "\n".join([*_summary(told), *in_columns(lines), _LEGEND, *undefined])


def agreement_page(out: Path, told: Agreement) -> Path:
    """Write a page that stands alone to `out`: every coefficient with its interval, and what was compared.

    Raises InputError where `out` is there, or does not end in .html.
    """
    check_page_path(out)
    sections = []
    for id_, name, names, words in _SECTIONS:
        sections.append((id_, name, _table(told, name, names), words or f"{told.rule[:1].upper()}{told.rule[1:]}."))
    content = {
        "title": f"Agreement: {told.a.path.name} (A) and {told.b.path.name} (B)",
        "version": VERSION,
        "summary": _summary(told),
        "sections": sections,
        "notes": told.notes or ("Everything that both files hold.",),
        "undefined": told.undefined,
        "unmatched": told.alone,
    }
    write_text(out, template("agreement.html").render(content))
    return out


def _summary(told: Agreement) -> list[str]:
    kinds = f"A: {told.a.path} ({told.a.what}). B: {told.b.path} ({told.b.what})."
    frames = f"{told.common:,} frames coded by both, of {_count(told.videos, 'video')} and "
    frames += "1 person" if told.people == 1 else f"{told.people} people"
    frames += f"; {told.only_a:,} frames only by A, {told.only_b:,} only by B."
    left = [f"{_count(len(told.alone), 'coding')} without a partner."] if told.alone else []
    return [kinds, frames, *left, f"95 % intervals: {told.intervals}."]


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit if number == 1 else unit + 's'}"


def _table(told: Agreement, caption: str, names: Sequence[str]) -> Table:
    events = names == _EVENTS
    heads = ("Events of A", "Events of B") if events else () if names == _TIME else ("Frames",)
    rows = []
    for au in told.aus:
        counts = told.events[au] if events else (told.frames[au],) * len(heads)
        cells = [Cell(_with_interval(told.figures[au][name])) for name in names]
        rows.append((au_head(au), *(Cell(f"{count:,}") for count in counts), *cells))
    means = [Cell(_with_interval(told.figures[None][name])) for name in names]
    rows.append((Cell("Mean", head=True), *[Cell("")] * len(heads), *means))
    titles = tuple(COEFFICIENTS[name].title for name in names)
    return Table(caption, ("AU", *heads, *titles), tuple(rows), summary_rows=1)


def _with_interval(told: Figure) -> str:
    known = vars(told) if not math.isnan(told.low) else {"value": told.value}
    return with_interval(known)


def _short(told: Figure) -> str:
    return figure(told.value)
