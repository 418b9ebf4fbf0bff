"""What the records of runs, of coders and of what is told of them hold."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .records import Count, Positive, RecipeRecord, Record


class StartRecord(Record):
    """encoder.json, as far as start weights need it."""

    class Network(Record):
        """The network, as far as start weights need it."""

        backbone: str

    level: int | None
    network: Network
    sha256: dict[str, str] = Field(default_factory=dict)


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
    settings: dict[str, Any] = Field(default_factory=dict)
    limit_rule: str | None = None
    sha256: dict[str, str] = Field(default_factory=dict)


class ExportRecord(_CodesRecord):
    """What an exported network says of itself."""

    format: int
    landmarks: bool
    known: Count = 0
    person: bool = False
    further: list[str] = Field(default_factory=list)


class FoldRecord(Record):
    """Who trains and who tests."""

    name: str
    train: list[str]
    test: list[str]
    validation: list[str] = Field(default_factory=list)


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
    selection: dict[str, Any] = Field(default_factory=dict)
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
