"""Which faces an item is made on: the user's stores, found by the data set they were made of, or synthetic ones."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.flow import DESCRIPTION, read_flow
from ..errors import InputError
from ..records import FacesRecord, SourceRecord, read_record
from .items import BENCHMARK, Data, Faces, Item, Paper, Scale, benchmark

_NO_OTHER_FLOW = ", without flow to later frames,"
_NOT_A_STORE = "Give a store that `sparsefacs prepare` or `synth` made"


@dataclass(frozen=True)
class Stores:
    """Where the faces of each data set lie.

    places: data set's key → store; made: those that are synthetic and made on the fly, with how; shifted: data set's
    key → its second test set; further: data set's key → further people on whom its runs are tested; starts:
    pre-training's name → weights given in its place; people: pre-training's name → synthetic faces made for it alone;
    missing: keys without a store, whose places are stand-ins; synthetic: whether any store holds synthetic faces.
    """

    places: Mapping[str, Path]
    made: Mapping[str, Faces] = field(default_factory=dict)
    shifted: Mapping[str, tuple[Path, Faces]] = field(default_factory=dict)
    further: Mapping[str, tuple[Path, Faces]] = field(default_factory=dict)
    starts: Mapping[str, Path] = field(default_factory=dict)
    people: Mapping[str, tuple[Path, Faces]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    synthetic: bool = False

    def of(self, key: str) -> Path:
        """Return the store of a data set."""
        return self.places[key]

    def faces(self, key: str, published: int) -> int:
        """Return how many faces a data set has: as its store says, else as many as are to be made, else `published`."""
        if (self.places[key] / "store.json").exists():
            return faces_in(self.places[key])
        return self.made[key].faces if key in self.made else published


def needed(item: Item, content: Paper, scale: Scale, given: Iterable[str] = ()) -> list[str]:
    """Return the keys of all data sets that an item needs, those for pre-training included unless weights are given."""
    if scale == "small":
        return list(item.small.data or item.data[:1])
    keys = list(item.data)
    starts = [row.start for row in item.rows if row.start] + [each for extra in item.extras for each in extra.of]
    starts += [extra.beside for extra in item.extras if extra.beside]
    for start in starts:
        if start in content.pretrain and start not in given:
            keys += content.pretrain[start].data
    keys += [row.unlabelled for row in item.rows if row.unlabelled]
    return list(dict.fromkeys(keys))


def find_stores(
    paper: str, item: Item, content: Paper, scale: Scale, out: Path, given: Sequence[Path], starts: Mapping[str, Path],
    *, stand_in: bool = False,
) -> Stores:  # fmt: skip
    """Return the stores of an item. given: the user's; stand_in: name those that are missing instead of refusing.

    At paper scale each data set needs a store prepared from it; at small scale one store serves all (the benchmark has
    one a data set), and without one synthetic faces are to be made in `out`. Raises InputError with the command that
    prepares what is missing.
    """
    for name in starts:
        if name not in content.pretrain:
            there = ", ".join(content.pretrain) or "none"
            raise InputError(f"{paper} has no pre-training called {name!r}", remedy=f"It has: {there}")
    sources = {path: read_source(path) for path in given}
    keys = needed(item, content, scale, starts)
    synthetic = any(source.get("kind") == "synthetic" for source in sources.values())
    if paper == BENCHMARK:
        if scale != "small":
            raise InputError("the benchmark has no paper scale", remedy="Use --scale small, on its own synthetic faces")
        return _of_benchmark(out, sources, starts)
    if scale == "small":
        return _small(content, out, keys, list(sources), starts, synthetic)
    found = {key: _store_of(content.data[key], sources) for key in keys}
    places = {key: path for key, path in found.items() if path is not None}
    missing = [key for key in keys if key not in places]
    if missing and not stand_in:
        _refuse(content, missing, sources)
    names = {key: _stand_in(content.data[key]) for key in missing}
    return Stores(places | names, starts=starts, missing=tuple(missing), synthetic=synthetic)


def _store_of(data: Data, sources: Mapping[Path, Mapping[str, Any]]) -> Path | None:
    """Return the store of a data set among those given; where flow is needed, one that has none to another target."""
    of_set = [path for path, source in sources.items() if source.get("dataset") == data.dataset]
    fit = [path for path in of_set if not data.flow or _flow_target(path) in (data.target, None)]
    return fit[-1] if fit else None


def _flow_target(store: Path) -> str | None:
    """Return to where the flow of a store leads, None where it has none."""
    folder = store / "flow"
    if not (folder / DESCRIPTION).exists():
        return None
    return str(read_flow(folder, remedy="Delete this folder")["target"])


def _stand_in(data: Data) -> Path:
    name = data.dataset.upper().replace("+", "-PLUS")
    return Path(f"{name}-STORE" if data.target == "later" else f"{name}-{data.target.upper()}-STORE")


def read_source(path: Path) -> dict[str, Any]:
    """Return where the faces of a store come from; raises InputError when it is not one."""
    content = read_record(path / "store.json", SourceRecord, what="the store's description", remedy=_NOT_A_STORE)
    return dict(content.get("source") or {})


def faces_in(path: Path) -> int:
    """Return how many faces a store says it has."""
    told = read_record(path / "store.json", FacesRecord, what="the store's description", remedy=_NOT_A_STORE)
    return int(told["faces"])


def prepare_command(content: Paper, key: str) -> str:
    """Return how the store of a data set is prepared."""
    entry = content.data[key]
    return f"sparsefacs prepare {entry.dataset.upper()}-FOLDER STORE --dataset {entry.dataset} {entry.prepare}".strip()


def _refuse(content: Paper, missing: Sequence[str], sources: Mapping[Path, Mapping[str, Any]]) -> None:
    wanted = [content.data[key] for key in missing]
    names = list(dict.fromkeys(each.dataset + _NO_OTHER_FLOW * (each.target == "rest") for each in wanted))
    other = [
        f"{path} is of {source.get('dataset') or source.get('kind') or 'unknown origin'}"
        f"{' with flow to the person at rest' * (_flow_target(path) == 'rest')}"
        for path, source in sources.items()
    ]
    told = f"; {', '.join(other)}" if other else ""
    made = prepare_command(content, missing[0])
    raise InputError(
        f"a store of {', '.join(names)} is needed at paper scale, and none was given{told}",
        remedy=f"Make one with `{made}` and name each with --store, or use --scale small",
    )


def _of_benchmark(out: Path, given: Mapping[Path, Mapping[str, Any]], starts: Mapping[str, Path]) -> Stores:
    """Return the benchmark's own stores: in `out`, or where one of them is given. given: path → its source."""
    content = benchmark()
    places = {name: (out / name).resolve() for name in content.stores}
    taken: set[str] = set()
    for path, source in given.items():
        look = (source.get("profile"), source.get("appearance"))
        name = next((n for n, each in content.stores.items() if (each.profile, each.appearance) == look), None)
        if name is None or name in taken:
            why = "holds other faces than the benchmark's" if name is None else f"is a second store of {name} faces"
            raise InputError(
                why, path=path, remedy=f"Give the benchmark's stores {', '.join(places)}, each once, or none"
            )
        taken.add(name)
        places[name] = path.resolve()
    shifted = {key: (places[f"{key}-shifted"], faces) for key, faces in content.shifted.items()}
    return Stores({key: places[key] for key in content.faces}, content.faces, shifted, starts=starts, synthetic=True)


def _small(
    content: Paper, out: Path, keys: Sequence[str], given: Sequence[Path], starts: Mapping[str, Path], synthetic: bool
) -> Stores:
    if len(given) > 1:
        raise InputError(
            "several stores are given, and at small scale one serves all", path=given[1], remedy="Name one store"
        )
    if given:
        people = _people(content, out, given=True)
        return Stores(dict.fromkeys(keys, given[0].resolve()), starts=starts, people=people, synthetic=synthetic)
    usual = next(iter(benchmark().faces.values()))
    made = {key: _synthetic(content, content.data[key].profile) for key in keys}
    differs = {
        key: [each.profile] * (each.profile != usual.profile) + ["rest"] * (content.data[key].target == "rest")
        for key, each in made.items()
    }
    places = {key: (out / "-".join(["faces", *names])).resolve() for key, names in differs.items()}
    further = {key: _further(each, out, usual.profile) for key, each in made.items()}
    return Stores(places, made, further=further, starts=starts, people=_people(content, out), synthetic=True)


def _further(faces: Faces, out: Path, usual: str) -> tuple[Path, Faces]:
    """Return the store of further people like those of `faces`: one for all data sets of a profile."""
    names = ["faces", *[faces.profile] * (faces.profile != usual), "further"]
    return (out / "-".join(names)).resolve(), faces.model_copy(update=dict(benchmark().further) | {"sha256": None})


def _people(content: Paper, out: Path, *, given: bool = False) -> dict[str, tuple[Path, Faces]]:
    """Return the faces of pre-trainings that have people of their own at small scale. given: the user gave a store."""
    small = {name: start.small for name, start in content.pretrain.items() if start.small is not None}
    own = {name: each.faces or (None if given else each.made) for name, each in small.items()}
    return {
        name: ((out / f"faces-{faces.subjects}-people").resolve(), faces)
        for name, faces in own.items()
        if faces is not None
    }


def _synthetic(content: Paper, profile: str) -> Faces:
    """Return the faces of the small scale that follow a profile: the paper's own, or the benchmark's."""
    if content.store is not None:
        return content.store.model_copy(update={"profile": profile})
    return next(faces for faces in benchmark().faces.values() if faces.profile == profile)


def check_faces(stores: Stores, path: Path) -> str:
    """Say why the store in `path`, made on the fly or given for it, does not hold the benchmark's faces; empty if so.

    A store that is not to hold them (of other statistics, or the user's at a paper's item) is not judged.
    """
    from ..data.store import Store
    from .benchmark import check, reference_faces

    own = benchmark()
    expected: dict[Path, Faces] = {stores.places[key]: faces for key, faces in stores.made.items()}
    expected |= dict(stores.shifted.values())
    faces = expected.get(path)
    name = next((name for name, each in own.stores.items() if each == faces), None)
    if faces is None or name is None or not (path / "store.json").exists():
        return ""
    try:
        check(Store(path), faces, reference_faces(name), own.version)
    except InputError as error:
        return str(error)
    return ""


def command_line(words: Sequence[str]) -> str:
    """Return a command as it is typed into a shell."""
    return shlex.join(["sparsefacs", *words])
