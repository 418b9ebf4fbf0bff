"""The program's own files, read in one way: each has a schema, and damage of any kind is one line that names the file.

A record is a JSON object that this program wrote. Beside its content it holds `checksum`, the hash of that content, and
where it speaks of further files `sha256`, file name → SHA-256. Older records hold neither, and are read unchecked.
Keys that a schema does not know are kept, so that a record of a later version reads too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import InputError
from .files import hash_json, read_json, sha256_file, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

CHECKSUM = "checksum"
_YAML_CHECKSUM = f"# {CHECKSUM}: "
_SEAL = 16  # digits of a checksum
_CHANGED = "was changed after it was written"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Model = TypeVar("Model", bound=BaseModel)


class Record(BaseModel):
    """Any record: an object; what more it must hold, its kind says."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class RecipeRecord(Record):
    """How faces are cut, as of `faces.alignment.FaceRecipe`."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    size: Annotated[int, Field(ge=32, le=1024)]
    eye_height: Fraction = 0.35
    eye_distance: Fraction = 0.32
    mouth_height: Fraction = 0.68
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    points: str = ""
    landmarks: str = ""


class RejectRecord(Record):
    """A file or frame that gave no face."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: str
    frame: int | None
    reason: str


class SourceRecord(Record):
    """store.json, as far as it says where faces come from."""

    source: dict[str, Any] | None = None


class FacesRecord(Record):
    """store.json, as far as it says how many faces there are."""

    faces: Count


class CountsRecord(Record):
    """What `inspect` tells of a store, as far as it counts AUs."""

    class AU(Record):
        """How many faces carry a label of an AU, and how many of them show it."""

        au: Positive
        labelled: Count
        positive: Count

    aus: list[AU]


class StoreRecord(Record):
    """store.json. part_faces: of each Arrow file; sha256: of the store's other files."""

    format: int
    aus: list[Positive]
    recipe: RecipeRecord
    source: dict[str, Any]
    faces: Count
    subjects: Count
    clips: Count
    rejected: list[RejectRecord]
    rejected_count: Count = 0
    rejected_reasons: dict[str, int] = {}
    part_faces: list[Positive] = []
    sha256: dict[str, str] = {}


class PartRecord(Record):
    """What is known of a finished part of an unfinished store."""

    faces: Count
    rejected: list[RejectRecord]
    sha256: str


class FlowRecord(Record):
    """flow.json."""

    rows: Count
    store: str
    step: Positive
    part_rows: Positive
    cell: Positive
    target: str = "later"


class StartRecord(Record):
    """encoder.json, as far as start weights need it."""

    class Network(Record):
        """The network, as far as start weights need it."""

        backbone: str

    level: int | None
    network: Network
    sha256: dict[str, str] = {}


class EncoderRecord(StartRecord):
    """encoder.json."""

    pretraining: str
    regions: bool
    recipe: RecipeRecord


class TermsRecord(Record):
    """What something was made of: an entry of a lineage."""

    what: str
    name: str
    terms: str
    free: bool | None


class LineageRecord(Record):
    """model.json or encoder.json, as far as its lineage goes; older ones tell none."""

    lineage: list[TermsRecord] | None = None


class _CodesRecord(Record):
    """What model.json and an exported network have in common."""

    aus: list[Positive]
    task: Literal["occurrence", "intensity"]
    recipe: RecipeRecord
    limits: list[Annotated[float, Field(ge=0, le=5)]] | None = None
    threshold: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> "_CodesRecord":
        if not self.aus or len(set(self.aus)) < len(self.aus):
            raise ValueError("aus names no AU, or one twice")
        if self.limits is None and self.threshold is None:
            raise ValueError("lacks 'limits'")
        if self.limits is not None and len(self.limits) != len(self.aus):
            raise ValueError("has not as many limits as AUs")
        return self


class ModelRecord(_CodesRecord):
    """model.json; older ones tell one `threshold` in place of `limits`."""

    method: str
    network: dict[str, Any]
    settings: dict[str, Any] = {}
    sha256: dict[str, str] = {}


class ExportRecord(_CodesRecord):
    """What an exported network says of itself."""

    format: int
    landmarks: bool
    known: Count = 0
    person: bool = False
    further: list[str] = []


class FoldRecord(Record):
    """Who trains and who tests."""

    name: str
    train: list[str]
    test: list[str]
    validation: list[str] = []


class SeenRecord(Record):
    """Whose faces a run has seen."""

    persons: list[Annotated[list[str | None], Field(min_length=2, max_length=2)]]
    groups: list[str]


class PeopleRecord(Record):
    """protocol.json, as far as it says whose faces a run has seen; older ones tell `fold` alone."""

    fold: FoldRecord | None = None
    seen: SeenRecord | None = None

    @model_validator(mode="after")
    def _tells(self) -> "PeopleRecord":
        if self.fold is None and self.seen is None:
            raise ValueError("lacks 'seen'")
        return self


class PlanRecord(PeopleRecord):
    """protocol.json of a training or a pre-training."""

    store: str | list[str]
    store_hash: str


class CardRecord(PlanRecord):
    """protocol.json of a training or a probe, with all that its scores carry."""

    class Named(Record):
        """The protocol."""

        name: str

    fold: FoldRecord
    protocol: Named
    protocol_hash: str
    labels: dict[str, Any]
    labelled_faces: int
    unlabelled_faces: int
    selection_rule: str


class MetricsRecord(Record):
    """metrics.json."""

    class Pooled(Record):
        """Scores over all frames."""

        per_au: dict[str, Any]
        mean: dict[str, Any]

    method: str
    task: Literal["occurrence", "intensity"]
    aus: list[Positive]
    pooled: Pooled
    provenance: dict[str, Any] | None = None


class PseudoLabelsRecord(Record):
    """pseudo-labels.json. by_subject: how many were right and counted, of all clips and of confirmed ones."""

    by_subject: dict[str, Annotated[list[Count], Field(min_length=4, max_length=4)]]


class ConfigRecord(Record):
    """config.yaml of a training, a pre-training or, without network and method, a probe."""

    class Network(Record):
        """The network."""

        backbone: str
        input_size: int
        init: str = "none"

    class Training(Record):
        """How it is trained."""

        precision: str | int | None = None

    name: str
    recipe: str
    seed: int
    network: Network | None = None
    training: Training = Training()
    selection: dict[str, Any] = {}
    method: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "ConfigRecord":
        if self.recipe != "probe" and (self.network is None or self.method is None):
            raise ValueError(f"lacks {'network' if self.network is None else 'method'!r}")
        return self


class CoderRecord(Record):
    """card.json of a packaged coder."""

    name: str
    title: str
    licence: str
    free: bool | None
    aus: list[Positive]
    bytes: Count
    made_by: list[str]
    lineage: list[TermsRecord]
    scores_told: list[str]
    cannot: list[str]
    sha256: dict[str, str]


class CardsRecord(Record):
    """What `protocol --json` says: the card of each fold."""

    class Card(Record):
        """The card of a fold."""

        labels: dict[str, Any]

    folds: Annotated[list[Card], Field(min_length=1)]


class SpeedRecord(Record):
    """speed.json."""

    faces_per_second: float
    threads: int
    device: str


def read_record(path: Path, schema: type[Record], *, what: str, remedy: str) -> dict[str, Any]:
    """Return the content of the record at `path`, which is `what` (for the message), without its checksum.

    Raises InputError if it is missing, broken, of another shape than `schema`, or changed since it was written.
    """
    return checked(read_json(path, what=what, remedy=remedy), schema, path, what=what, remedy=remedy)


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path` as a record, whole or not at all."""
    write_json(path, dict(content) | {CHECKSUM: hash_json(content)})


def checked(content: Any, schema: type[Record], path: str | Path, *, what: str, remedy: str) -> dict[str, Any]:
    """Return the content of a record that was read, without its checksum; raises InputError as `read_record` does."""
    if not isinstance(content, dict):
        raise InputError(f"{what} is not of the right kind", path=path, remedy=remedy)
    told: dict[str, Any] = dict(content)
    checksum = told.pop(CHECKSUM, None)
    if checksum is None:  # a flipped letter may have hit the name under which it stands
        seals = (key for key, value in told.items() if isinstance(value, str) and len(value) == _SEAL)
        checksum = next((CHECKSUM for key in seals if told[key] == hash_json(_without(told, key))), None)
    as_settings(schema, told, path, what=what, remedy=remedy)
    if checksum is not None and checksum != hash_json(told):
        raise InputError(f"{what} {_CHANGED}", path=path, remedy=f"{remedy}; or copy it again from where it is whole")
    return told


def _without(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


def as_settings(schema: type[Model], values: Any, path: str | Path, *, what: str, remedy: str) -> Model:
    """Return `values`, read from the file `path`, as a pydantic model; raises InputError naming the first bad one."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        problem = f"lacks {where!r}" if first["type"] == "missing" else f"{where}: {message}" if where else message
        raise InputError(f"{what} is not as it should be: {problem}", path=path, remedy=remedy) from error


def check_sum(path: Path, sums: Mapping[str, str], *, remedy: str) -> None:
    """Raise InputError where file `path` is not what it was when `sums` (name → SHA-256) was written.

    A file that `sums` does not name, as older records do not, is not read.
    """
    if (wanted := sums.get(path.name)) is not None and sha256_file(path, remedy=remedy) != wanted:
        raise InputError(f"is damaged or replaced: it {_CHANGED} (SHA-256)", path=path, remedy=remedy)


def sums_of(*paths: Path) -> dict[str, str]:
    """Return name → SHA-256 of those files that are there."""
    return {path.name: sha256_file(path) for path in paths if path.is_file()}


def read_yaml(path: Path, schema: type[Record], *, what: str, remedy: str) -> dict[str, Any]:
    """Return the content of a YAML file of our own; raises InputError as `read_record` does."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise InputError(f"{what} is missing", path=path, remedy=remedy) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{what} is not valid YAML", path=path, remedy=remedy) from error
    first = text.partition("\n")[0]
    if isinstance(content, dict) and first.startswith(_YAML_CHECKSUM):
        content[CHECKSUM] = first.removeprefix(_YAML_CHECKSUM).strip()
    return checked(content, schema, path, what=what, remedy=remedy)


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path` as YAML with its checksum in the first line, whole or not at all."""
    import yaml

    text = yaml.safe_dump(dict(content), sort_keys=False)
    write_text(path, f"{_YAML_CHECKSUM}{hash_json(yaml.safe_load(text))}\n{text}")


def read_parquet(path: Path, *, what: str, remedy: str, columns: Sequence[str] = ()) -> "pd.DataFrame":
    """Return the Parquet table at `path`; raises InputError if missing, damaged, or without one of `columns`."""
    import pandas as pd
    import pyarrow as pa

    if not path.is_file():
        raise InputError(f"{what} is missing", path=path, remedy=remedy)
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException) as error:
        raise InputError(f"{what} cannot be read ({error})", path=path, remedy=remedy) from error
    if missing := [name for name in columns if name not in table.columns]:
        raise InputError(f"has no column {missing[0]!r}", path=path, remedy=remedy)
    return table
