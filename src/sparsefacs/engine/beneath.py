"""A coder that a network begins from, kept beneath it: its pixels as they are, and its linear models as a beginning.

The network learns what they leave, as it does of evidence (`networks/evidence.py`); `methods.instant` is the same
without a network above.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.evidence import EvidenceTable
from ..data.joined import AnyStore
from ..evidence.linear import LinearEvidence
from ..faces.alignment import FaceRecipe
from ..methods.registry import method_class
from ..networks.config import start_folder
from .config import RunConfig
from .instant import begun, with_pixels
from .light import DescribedLight, describe_light
from .run import RunFolder

if TYPE_CHECKING:
    from ..methods.contract import Method
    from .training_set import TrainingSet


def coder_beneath(config: RunConfig) -> DescribedLight | None:
    """Return the coder that a training of `config` keeps beneath its network, as it is told; None where it begins from
    none, or the network cannot keep it: it looks at no person, sees faces of another size, or is of clips.
    """
    kind: Any = method_class(config.name)
    folder, sees = start_folder(config.network.init), config.network
    if folder is None or kind.at_once or not kind.keeps_coder or sees.evidence != "person" or config.teacher_run():
        return None
    run = RunFolder(folder)
    if run.encoder.is_file() or not run.model.is_file():
        return None
    coder = describe_light(run)
    if coder is None or not coder.said or not coder.further:
        return None
    its = coder.described.setting.network
    known = set(coder.described.setting.aus) & set(config.aus or coder.described.setting.aus)
    return coder if (its.input_size, its.crop) == (sees.input_size, sees.crop) and known else None


def with_beneath(config: RunConfig, store: AnyStore) -> RunConfig:
    """Return the configuration that names the coder beneath the network, where there is one for faces such as these."""
    coder = coder_beneath(config)
    if coder is None:
        return config
    ours, cut = FaceRecipe(**store.info.recipe), FaceRecipe(**coder.described.content["recipe"])
    if replace(ours, size=cut.size, quality=cut.quality) != cut:
        return config
    told = {"network": coder.described.setting.network.model_dump(mode="json"), "said": coder.said}
    return config.model_copy(update={"network": config.network.model_copy(update={"beneath": told})})


def lay_beneath(method: "Method", data: "TrainingSet", config: RunConfig) -> tuple[EvidenceTable, LinearEvidence]:
    """Load the coder, put its pixels beneath every network of `method`, and return evidence with what they say of the
    faces of all people in the training, and the weights to begin from; `data` keeps both.
    """
    import torch

    from ..networks.classifier import Recogniser

    told = coder_beneath(config)
    assert told is not None
    coder = told.load()
    assert coder.network.pixels is not None
    held = {name: torch.from_numpy(np.array(value)) for name, value in coder.network.pixels.weights.items()}
    for module in method.modules():
        if isinstance(module, Recogniser) and module.said is not None:
            module.said.load_state_dict(held)
    rows = np.unique(np.concatenate([data.labelled, data.unlabelled, data.selection]))
    table = with_pixels(coder.network.pixels, data.coder.table(person=True), data.coder.face, rows)
    begin = begun(coder, config)
    data.coder.keep(table, begin)
    return table, begin
