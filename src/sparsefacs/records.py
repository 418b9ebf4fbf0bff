"""The program's own files, read in one way: each has a schema, and damage of any kind is one line that names the file.

A record is a JSON object that this program wrote. Beside its content it holds `checksum`, the hash of that content, and
where it speaks of further files `sha256`, file name → SHA-256. Older records hold neither, and are read unchecked.
Keys that a schema does not know are kept, so that a record of a later version reads too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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

    from .yaml_text import content_of

    try:
        text = path.read_text(encoding="utf-8")
        content = content_of(text)
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

    from .yaml_text import content_of

    text = yaml.safe_dump(dict(content), sort_keys=False)
    write_text(path, f"{_YAML_CHECKSUM}{hash_json(content_of(text))}\n{text}")


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
