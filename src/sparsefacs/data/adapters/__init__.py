"""Data sets by name: one file and one row here for each."""

from dataclasses import dataclass, fields
from importlib import import_module

from ...errors import InputError
from .plan import Adapter, FaceLabel, LazyItems, MediaItem, Plan, Request
from .twins import without_twins


@dataclass(frozen=True)
class DataSet:
    """A data set that `prepare` reads.

    what: for the list in `--help`. place: module and function of its adapter. options: the fields of `Request`
    that it takes beside source and aus. people: data sets of one name here share subjects' names and faces.
    labelled: it has AU labels.
    """

    name: str
    what: str
    place: str
    options: frozenset[str] = frozenset()
    people: str | None = None
    labelled: bool = True

    @property
    def plan(self) -> Adapter:
        """The function that plans its work; imported when asked for."""
        module, function = self.place.split(":")
        adapter: Adapter = getattr(import_module(f"{__package__}.{module}"), function)
        return adapter


_POINTS, _OFFSET = "delivered_landmarks", "frame_offset"


def _row(name: str, what: str, *options: str, people: str | None = None, labelled: bool = True) -> DataSet:
    file = name.replace("+", "_plus").replace("-", "_")
    return DataSet(name, what, f"{file}:plan_{file}", frozenset(options), people or name, labelled)


_OF_TABLE = frozenset({"labels", "first_frame", "clock", "coded", "person", "names", "by_name"})
_OWN = (
    DataSet("folder", "any folder of photos and videos, no labels", "folder:plan_folder", labelled=False),
    DataSet("table", "your own media with tables of labels, or files of events", "table:plan_table", _OF_TABLE),
)
DATA_SETS: dict[str, DataSet] = {
    row.name: row
    for row in (
        _row("bp4d", "41 subjects, T1–T8", _POINTS, _OFFSET),
        _row("bp4d+", "140 subjects, T1 T6 T7 T8 coded", _OFFSET),
        _row("disfa", "27 subjects, two cameras", _POINTS, "camera", "drop_failed_tracking"),
        _row("disfa+", "9 subjects, all of DISFA", people="disfa"),
        _row("emotionet", "URL list with AUs, and its images", "labels"),
        _row("affectnet", "faces, full or small release", _POINTS, labelled=False),
        _row("casia-webface", "faces, a folder an identity", labelled=False),
        _row("imdb-wiki", "faces, imdb_crop and wiki_crop", labelled=False),
        _row("celeba", "faces, img_align_celeba and its lists", _POINTS, labelled=False),
        *_OWN,
    )
}
"""Every data set by the name that `--dataset` takes."""


def find_data_set(name: str) -> DataSet:
    """Return the row of data set `name`; raises InputError when there is none."""
    if name not in DATA_SETS:
        raise InputError(f"there is no data set {name!r}", remedy=f"Choose one of: {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def make_plan(name: str, request: Request) -> Plan:
    """Return the plan of data set `name`, each real file in it once.

    Raises InputError for an option it does not take, and as its adapter does.
    """
    row = find_data_set(name)
    for field in fields(Request):
        given = getattr(request, field.name) != field.default
        if given and field.name not in row.options | {"source", "aus"}:
            takes = [other.name for other in DATA_SETS.values() if field.name in other.options]
            raise InputError(
                f"the data set {name} takes no {_option(field.name)}",
                path=request.labels if field.name == "labels" else None,
                remedy=f"It is for --dataset {', '.join(takes)}",
            )
    return without_twins(row.plan(request), request.source)


def _option(field: str) -> str:
    named = {"delivered_landmarks": "--landmarks delivered", "names": "--map"}
    return named.get(field, f"--{field.replace('_', '-')}")


__all__ = [
    "DATA_SETS",
    "Adapter",
    "DataSet",
    "FaceLabel",
    "LazyItems",
    "MediaItem",
    "Plan",
    "Request",
    "find_data_set",
    "make_plan",
]
