"""WSRTL, and the auxiliary tasks and semi-supervised parts it is compared with, each also as a method of its own.

Yan, Wang, Li, Wang, Pu: Weakly supervised regional and temporal learning for facial action unit recognition (cited as
WSRTL). Equation, line and table numbers are the paper's.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..data.batches import BatchSource
from ..losses.contrastive import gathered
from ..losses.reduction import process_count
from ..networks.recognisers import Recogniser, RecogniserConfig, make_recogniser
from ..networks.roi_recogniser import RoIRecogniser
from .auxiliary import (
    Exemplar,
    ExemplarConfig,
    Flow,
    FlowConfig,
    Inpainting,
    InpaintingConfig,
    Jigsaw,
    JigsawConfig,
    Rotation,
    RotationConfig,
    Task,
)
from .chance import Chance
from .contract import Method, MethodConfig, Needs, Setting, Update
from .parts import Contribution, Drawn, Part
from .semi_supervision import (
    CutMix,
    CutMixConfig,
    FixMatch,
    FixMatchConfig,
    MeanTeacher,
    MeanTeacherConfig,
    MixMatch,
    MixMatchConfig,
    PseudoLabel,
    PseudoLabelConfig,
    SemiSupervised,
    recognition,
)

TaskName = Literal["rotation", "exemplar", "jigsaw", "flow", "inpainting"]
SemiName = Literal["none", "mixmatch", "fixmatch", "mean-teacher", "cutmix", "pseudo-label"]
_LABEL_VECTORS = 4096  # of training labels, from which the graph of AUs is estimated
_FLOW_SCALE = 4  # two transposed convolutions of stride 2


class WeakConfig(MethodConfig):
    """A recogniser, the auxiliary tasks it is trained with, and how it learns from faces without labels."""

    recogniser: RecogniserConfig = RecogniserConfig(kind="whole-face")
    auxiliary: tuple[TaskName, ...] = ()
    semi_supervised: SemiName = "none"
    rotation: RotationConfig = RotationConfig()
    exemplar: ExemplarConfig = ExemplarConfig()
    jigsaw: JigsawConfig = JigsawConfig()
    flow: FlowConfig = FlowConfig()
    inpainting: InpaintingConfig = InpaintingConfig()
    mixmatch: MixMatchConfig = MixMatchConfig()
    fixmatch: FixMatchConfig = FixMatchConfig()
    mean_teacher: MeanTeacherConfig = MeanTeacherConfig()
    cutmix: CutMixConfig = CutMixConfig()
    pseudo_label: PseudoLabelConfig = PseudoLabelConfig()


class WeaklySupervised(Method):
    """Algorithm 1: an update of the recogniser on L_semi, then one on L_Sup and the auxiliary tasks (eq. 9).

    Without a semi-supervised part the first is left out (Table II), without auxiliary tasks the second (Table III).
    """

    Config = WeakConfig
    paper = "Yan, Wang, Li, Wang, Pu: Weakly supervised regional and temporal learning for AU recognition (wsrtl)"
    keeps_coder: ClassVar[bool] = True

    def __init__(self, config: WeakConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        # First, so that it starts as the baseline's does.
        self.recogniser: Recogniser = self.build_predictor(setting, config)
        self.auxiliary = nn.ModuleDict({name: self._task(name) for name in config.auxiliary})
        self.semi = self._semi()
        self.chance = Chance(torch.initial_seed())

    @classmethod
    def build_predictor(cls, setting: Setting, config: WeakConfig) -> Recogniser:
        """Return the recogniser B."""
        return make_recogniser(setting.network, setting.aus, config.recogniser)

    def _task(self, name: TaskName) -> Task:
        config, recogniser = self.config, self.recogniser
        match name:
            case "rotation":
                return Rotation(config.rotation, recogniser.map_width)
            case "exemplar":
                return Exemplar(config.exemplar)
            case "jigsaw":
                return Jigsaw(config.jigsaw, recogniser)
            case "flow":
                return Flow(config.flow, recogniser.map_width)
            case "inpainting":
                return Inpainting(config.inpainting, recogniser)

    def _semi(self) -> SemiSupervised | None:
        config = self.config
        match config.semi_supervised:
            case "none":
                return None
            case "mixmatch":
                return MixMatch(config.mixmatch, self.recogniser)
            case "fixmatch":
                return FixMatch(config.fixmatch)
            case "mean-teacher":
                return MeanTeacher(config.mean_teacher, self.recogniser)
            case "cutmix":
                return CutMix(config.cutmix, self.setting.aus)
            case "pseudo-label":
                return PseudoLabel(config.pseudo_label)

    @property
    def _tasks(self) -> list[Task]:
        return [task for task in self.auxiliary.values() if isinstance(task, Task)]

    @property
    def _parts(self) -> list[Part]:
        return [*self._tasks, *([] if self.semi is None else [self.semi])]

    def needs(self) -> Needs:
        """Any part draws faces without labels; some want two views of them, one wants flow."""
        flow_side = self._side() if any(part.needs_flow for part in self._parts) else None
        return Needs(unlabelled=bool(self._parts), two_views=self._two_views(), flow_side=flow_side)

    def _two_views(self) -> bool:
        return any(part.two_views for part in self._parts)

    def _side(self) -> int:
        """Return the side of the flow head's map."""
        size = self.setting.network.input_size
        like = next(self.parameters())
        was_training = self.recogniser.training
        with torch.no_grad():  # in evaluation mode, so that no statistics move
            maps = self.recogniser.eval().maps(torch.zeros(1, 3, size, size, dtype=like.dtype, device=like.device))
        self.recogniser.train(was_training)
        return _FLOW_SCALE * int(maps.shape[-1])

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield the updates of one iteration (Algorithm 1, lines 3–9)."""
        drawn = self._draw(batches, step)
        self._learn_graph(batches, step)
        if self.semi is not None:  # lines 5–7
            part = self.semi.loss(self.recogniser, drawn)
            yield Update("backbone", part.loss, part.terms)
        if self.auxiliary or self.semi is None:  # lines 8 and 9
            labelled = drawn.labelled
            seen = self.recogniser.recognise(labelled.image, labelled.landmarks, labelled.evidence)
            parts: list[Contribution] = []
            for task in self._tasks:
                parts.append((yield from task.run(self.recogniser, drawn, seen)))
            logits = torch.cat([seen.logits_BA, *(part.logits for part in parts if part.logits is not None)])
            known = [part.occurrence for part in parts if part.occurrence is not None]
            supervised = recognition(logits, torch.cat([labelled.occurrence, *known]))
            loss = sum((part.loss for part in parts), start=supervised)  # eq. 9
            terms: dict[str, Tensor] = {"recognition": supervised}
            for part in parts:
                terms |= part.terms
            yield Update("backbone", loss, terms, ("auxiliary",) if self._heads() else ())

    def _draw(self, batches: BatchSource, step: int) -> Drawn:
        labelled = batches.labelled()
        first = second = None
        if self._two_views():
            first, second = batches.unlabelled_views() or (None, None)
        elif self._parts:
            first = batches.unlabelled()
        return Drawn(labelled, first, second, step, self.chance, self.setting.steps)

    def _learn_graph(self, batches: BatchSource, step: int) -> None:
        """Estimate the fixed graph of a GCN from the training labels, once."""
        if step == 0 and self.config.recogniser.relation == "gcn" and isinstance(self.recogniser, RoIRecogniser):
            labels = batches.labels(_LABEL_VECTORS // process_count())
            device = next(self.recogniser.parameters()).device  # GPUs gather only what lies on them
            self.recogniser.relation.set_adjacency(gathered(labels.to(device)))

    def after_step(self, step: int) -> None:
        """Let a teacher follow."""
        if self.semi is not None:
            self.semi.after_step(self.recogniser, step)

    def _heads(self) -> list[nn.Parameter]:
        critics = {id(parameter) for parameter in self._critics()}
        return [p for p in self.auxiliary.parameters() if id(p) not in critics]

    def _critics(self) -> list[nn.Parameter]:
        return [p for task in self._tasks for p in task.critics()]

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of B; of G, F and the other tasks' heads; of D and C."""
        return {
            "backbone": [p for p in self.recogniser.parameters() if p.requires_grad],
            "auxiliary": self._heads(),
            "critics": self._critics(),
        }

    def predictor(self) -> nn.Module:
        """Return the recogniser, or its teacher where there is one; no auxiliary module is needed to code faces."""
        chosen: nn.Module = self.recogniser if self.semi is None else self.semi.chosen(self.recogniser)
        return chosen

    def kept_beside(self) -> dict[str, nn.Module]:
        """Return G and F, of which pictures are made, and B as it is with them."""
        kept: dict[str, nn.Module] = {}
        for task in self._tasks:
            if isinstance(task, Inpainting):
                kept["generator"] = task.generator
            if isinstance(task, Flow):
                kept["flow_head"] = task.head
        return kept and {"recogniser": self.recogniser} | kept
