"""Distillation: a small network learns the answers of a trained one on faces with and without labels.

Hinton, Vinyals, Dean: Distilling the knowledge in a neural network (2015), an AU at a time. The teacher is fixed and in
evaluation mode; it sees the same augmented view as the student, each network at its own size, and compares it with the
person's reference as it does when it codes. It is no part of the method's state: neither the student's model nor a
checkpoint holds it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch, BatchSource, together
from ..data.evidence import EvidenceTable
from ..errors import InputError
from ..evidence.linear import evidence_of
from ..evidence.vectors import VECTOR_WIDTH
from ..losses.distillation import taught_intensity_loss, taught_occurrence_loss
from ..losses.recognition import intensity_loss, occurrence_loss
from ..networks.answers import resized
from ..networks.classifier import AUClassifier
from .contract import Compared, Method, MethodConfig, Needs, Setting, Task, Update


class DistilConfig(MethodConfig):
    """Who teaches, and what counts."""

    teacher: str | None = Field(None, description="run folder of a finished training, or of one a fold")
    temperature: Annotated[float, Field(gt=0)] = Field(1.0, description="T: softens occurrence answers above 1")
    weight: Annotated[float, Field(ge=0)] = Field(1.0, description="of the teacher's answers, on all faces drawn")
    labels: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the labels that may be seen")

    def teacher_run(self) -> str:
        """Return the teacher's run folder; raises InputError when none is named."""
        if self.teacher is None:
            raise InputError(
                "distil learns from a trained network, and none is named",
                remedy="Add --set method.teacher=RUN, the run folder of a finished sparsefacs train",
            )
        return self.teacher


@dataclass(frozen=True)
class _Teacher:
    """A fixed network, what it codes and sees, and its columns that are the student's AUs.

    known: the evidence that it looks at, None for none.
    """

    network: nn.Module
    setting: Setting
    columns: list[int]
    known: EvidenceTable | None = None

    @property
    def side(self) -> int:
        """Side of the faces it sees, pixels."""
        return self.setting.network.input_size

    def evidence(self, row: Tensor, like: Tensor) -> Tensor | None:
        """Return what it looks at of rows (B,) beside pixels, which say the rest of the view that is drawn."""
        if self.known is None:
            return None
        rows = row.cpu().numpy()
        told = evidence_of(self.known.vectors_ME[rows, :VECTOR_WIDTH], self.known.reference(rows))
        return torch.from_numpy(told).to(like)


class Distil(Method):
    """A plain AU network taught by another, for occurrence or intensity; without a teacher its labels alone count."""

    Config = DistilConfig
    paper = "Hinton, Vinyals, Dean: Distilling the knowledge in a neural network, an AU at a time"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    weighs_pixels: ClassVar[bool] = False  # pixels and evidence together learn the teacher's answers, on all faces

    def __init__(self, config: DistilConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.student = self.build_predictor(setting, config)
        self._teacher: _Teacher | None = None  # within a plain object: no part of state, parameters or modes

    @classmethod
    def build_predictor(cls, setting: Setting, config: DistilConfig) -> nn.Module:
        """Return the student."""
        del config
        return AUClassifier(setting.network, len(setting.aus))

    def take_teacher(self, network: nn.Module, setting: Setting) -> None:
        """Take a network to learn from.

        Raises InputError when it learned another task, lacks an AU of the student's, or sees another part of a face.
        """
        own, run = self.setting, self.config.teacher
        if setting.task != own.task:
            raise InputError(
                f"the teacher codes {setting.task}, and the student is to code {own.task}",
                path=run,
                remedy=f"Add --task {setting.task}, or name another teacher",
            )
        if missing := [au for au in own.aus if au not in setting.aus]:
            raise InputError(
                f"the teacher does not code AU{', AU'.join(map(str, missing))}",
                path=run,
                remedy=f"Add --aus {','.join(str(au) for au in own.aus if au in setting.aus) or '…'}, or name another",
            )
        if setting.network.crop != own.network.crop:
            raise InputError(
                f"the teacher sees {setting.network.crop:g} of a face's side, the student {own.network.crop:g}",
                path=run,
                remedy=f"Add --set network.crop={setting.network.crop:g}",
            )
        columns = [setting.aus.index(au) for au in own.aus]
        self._teacher = _Teacher(network.eval().requires_grad_(False), setting, columns)

    def take_references(self, compared: Compared) -> None:
        """Take what the teacher compares faces with: the same that its own codes are of."""
        if self._teacher is not None and self.config.weight > 0:
            known = compared(self._teacher.network, self._teacher.setting)
            self._teacher = replace(self._teacher, known=known)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """Move the teacher too, wherever and in whatever precision the method goes."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._teacher is not None:
            self._teacher.network._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def needs(self) -> Needs:
        """Return that faces come at the larger of both networks' sides, and that those without labels count too."""
        sides = [self.setting.network.input_size, *([] if self._teacher is None else [self._teacher.side])]
        return Needs(unlabelled=self.config.weight > 0, side=max(sides))

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update of the student on labelled and unlabelled faces together."""
        labelled = batches.labelled()
        free = batches.unlabelled() if self.config.weight > 0 else None
        drawn: list[Batch] = [labelled] if free is None else [labelled, free]
        faces = torch.cat([batch.image for batch in drawn]), torch.cat([batch.landmarks for batch in drawn])
        logits_BA = self.student(*resized(*faces, self.setting.network.input_size), together(*drawn))
        recognition = self._recognition(logits_BA[: len(labelled)], labelled)
        loss, terms = self.config.labels * recognition, {"recognition": recognition}
        if self._teacher is not None and self.config.weight > 0:
            taught = self._taught(logits_BA, self.answers(*faces, torch.cat([batch.row for batch in drawn])))
            loss, terms = loss + self.config.weight * taught, terms | {"taught": taught}
        yield Update("student", loss, terms)

    def answers(self, image: Tensor, landmarks: Tensor, row: Tensor) -> Tensor:
        """Return the teacher's logits (B, A) of the student's AUs, without gradient; arguments as of a `Batch`."""
        if self._teacher is None:
            raise TypeError("there is no teacher")
        with torch.no_grad():
            evidence = self._teacher.evidence(row, image)
            logits: Tensor = self._teacher.network(*resized(image, landmarks, self._teacher.side), evidence)
        return logits[:, self._teacher.columns]

    def _recognition(self, logits_BA: Tensor, batch: Batch) -> Tensor:
        if self.setting.task == "intensity":
            return intensity_loss(logits_BA, batch.intensity)
        return occurrence_loss(logits_BA, batch.occurrence)

    def _taught(self, logits_BA: Tensor, teacher_BA: Tensor) -> Tensor:
        if self.setting.task == "intensity":
            return taught_intensity_loss(logits_BA, teacher_BA)
        return taught_occurrence_loss(logits_BA, teacher_BA, self.config.temperature)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the student's parameters."""
        return {"student": list(self.student.parameters())}

    def predictor(self) -> nn.Module:
        """Return the student."""
        return self.student
