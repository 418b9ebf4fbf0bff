"""The Python face of coders' work on codes, beside `api`: write_events, summary, agreement."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .given import PathLike

if TYPE_CHECKING:
    from .events.agreement import Agreement
    from .events.summary import Summarised
    from .events.writing import Written


def write_events(codes: PathLike, out: PathLike, *, form: str | None = None, **rules: Any) -> "Written":
    """Write the events in codes (a file of `predict`, or a folder of them) to `out`, for a coder's own program.

    form: boris, elan, bids or csv; default: what the ending of `out` says. rules: as of `events.finding.Rules`.
    """
    from .events.finding import Rules
    from .events.writing import write_events as write

    return write(Path(codes), Path(out), rules=Rules(**rules), form=form)


def summary(codes: PathLike, out: PathLike, *, wide: bool = False, **rules: Any) -> "Summarised":
    """Write how much of its time each face in codes (a file, or a folder of them) shows each AU to the table `out`.

    wide: a row a face; else a row a face and AU. rules: what an event is, as of `events.finding.Rules`.
    """
    from .events.finding import Rules
    from .events.summary import summarise

    return summarise(Path(codes), Path(out), rules=Rules(**rules), wide=wide)


def agreement(
    a: PathLike,
    b: PathLike,
    *,
    out: PathLike | None = None,
    page: PathLike | None = None,
    coded: str | None = None,
    coded_b: str | None = None,
    coder: str | None = None,
    coder_b: str | None = None,
    names: PathLike | None = None,
    onset_tolerance_s: float = 0.5,
    overlap: float = 0.5,
    bridge_s: float = 0.1,
    shortest_s: float = 0.1,
    **settings: Any,
) -> "Agreement":
    """Return how far two coders, or a coder and codes, agree; A and B are codes, files of events or tables of labels.

    out, page: also write the coefficients as a table, and a web page. coded, names: of files of events, what marks
    the stretches that were looked at ("all": everything; coded_b: in B, where it is called otherwise), and a table of
    what words mean. coder, coder_b: of answers of `sparsefacs label`, whose. Two events match whose onsets and common
    time are as `onset_tolerance_s` and `overlap` say; bridge_s, shortest_s: what an event is in codes. settings: `fps`,
    `first_frame`, `main_face` of `events.agreement.compare`.
    """
    from .events.agreement import Matching, compare
    from .events.finding import Rules
    from .events.model import Asked
    from .events.names import Names, read_map

    if page is not None:
        from .reports.page import check_page_path

        check_page_path(Path(page))
    words = Names() if names is None else read_map(Path(names))
    told = compare(
        Path(a),
        Path(b),
        asked=Asked(words, coded, coder),
        asked_b=Asked(words, coded if coded_b is None else coded_b, coder_b),
        matching=Matching(onset_tolerance_s, overlap, Rules(bridge_s=bridge_s, shortest_s=shortest_s)),
        out=None if out is None else Path(out),
        **settings,
    )
    if page is not None:
        from .reports.agreement import agreement_page

        agreement_page(Path(page), told)
    return told
