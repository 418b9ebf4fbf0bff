"""The methods that WSRTL is compared with, each by its own name on a whole-face network.

All are `WeaklySupervised` with one part; --set method.recogniser.kind=roi puts them on WSRTL's backbone, as in its
Tables II and III.
"""

from ..networks.recognisers import RecogniserConfig
from .weakly_supervised import SemiName, TaskName, WeakConfig, WeaklySupervised


class RotationConfig(WeakConfig):
    """Rotation alone."""

    auxiliary: tuple[TaskName, ...] = ("rotation",)


class Rotation(WeaklySupervised):
    """AUs learned together with telling how a face was turned."""

    Config = RotationConfig
    paper = (
        "Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting rotations (in wsrtl, Table II)"
    )


class ExemplarConfig(WeakConfig):
    """Exemplar alone."""

    auxiliary: tuple[TaskName, ...] = ("exemplar",)


class Exemplar(WeaklySupervised):
    """AUs learned together with telling views of one face from those of others."""

    Config = ExemplarConfig
    paper = "Dosovitskiy et al.: Discriminative unsupervised feature learning with exemplar CNNs (in wsrtl, Table II)"


class JigsawConfig(WeakConfig):
    """Jigsaw alone, on nine patches."""

    recogniser: RecogniserConfig = RecogniserConfig(kind="patches")
    auxiliary: tuple[TaskName, ...] = ("jigsaw",)


class Jigsaw(WeaklySupervised):
    """AUs learned together with the order of a face's patches."""

    Config = JigsawConfig
    paper = "Noroozi, Favaro: Unsupervised learning of visual representations by jigsaw puzzles (in wsrtl, Table II)"


class MixMatchConfig(WeakConfig):
    """MixMatch alone."""

    semi_supervised: SemiName = "mixmatch"


class MixMatch(WeaklySupervised):
    """Mixtures of labelled faces and faces with guessed labels."""

    Config = MixMatchConfig
    paper = "Berthelot et al.: MixMatch, a holistic approach to semi-supervised learning (in wsrtl, Table III)"


class FixMatchConfig(WeakConfig):
    """FixMatch alone."""

    semi_supervised: SemiName = "fixmatch"


class FixMatch(WeaklySupervised):
    """Confident predictions on a weak view are the labels of a strong view."""

    Config = FixMatchConfig
    paper = "Sohn et al.: FixMatch (in wsrtl, Table III; knowledge-spreader, Fig. 4)"


class MeanTeacherConfig(WeakConfig):
    """Mean Teacher alone."""

    semi_supervised: SemiName = "mean-teacher"


class MeanTeacher(WeaklySupervised):
    """A student consistent with its own moving average."""

    Config = MeanTeacherConfig
    paper = "Tarvainen, Valpola: Mean teachers are better role models (in wsrtl, Table III)"


class CutMixConfig(WeakConfig):
    """RoI CutMix alone."""

    semi_supervised: SemiName = "cutmix"


class CutMix(WeaklySupervised):
    """RoIs of faces without labels pasted into labelled faces."""

    Config = CutMixConfig
    paper = "Yun et al.: CutMix, in the RoI form of wsrtl (Table III)"


class PseudoLabelConfig(WeakConfig):
    """Pseudo labels alone."""

    semi_supervised: SemiName = "pseudo-label"


class PseudoLabel(WeaklySupervised):
    """A network's own predicted classes as labels."""

    Config = PseudoLabelConfig
    paper = (
        "Lee: Pseudo-label, the simple and efficient semi-supervised learning method (in knowledge-spreader, Fig. 4)"
    )
