"""Configuration: strict, with the nearest name; recipes load; the length given last holds."""

import pytest

from sparsefacs import InputError
from sparsefacs.engine.config import recipe_names, resolve
from sparsefacs.methods.registry import method_names


@pytest.mark.parametrize(("method", "recipe"), [(m, r) for m in method_names() for r in recipe_names(m)])
def test_every_recipe_resolves(method: str, recipe: str) -> None:
    config = resolve(method, recipe)
    assert config.name == method
    assert config.training.steps or config.training.epochs
    assert resolve(method, recipe).as_json() == config.as_json()


def test_paper_settings_of_adversarial() -> None:
    bp4d, disfa = resolve("adversarial", "paper-bp4d"), resolve("adversarial", "paper-disfa")
    assert (bp4d.network.backbone, bp4d.network.input_size, bp4d.optimiser.name) == ("resnet50", 224, "adam")
    assert (bp4d.method["alpha"], disfa.method["alpha"]) == (0.01, 0.001)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("method.alfa=1", r"no setting method\.alfa.*Did you mean alpha"),
        ("optimiser.learning=1", r"no setting optimiser\.learning"),
        ("optimizer.lr=1", r"no setting optimizer.*Did you mean optimiser"),
        ("network.input_size=7", r"network\.input_size"),
        ("training.steps=zero", r"training\.steps"),
        ("nonsense", "key.sub=value"),
        ("seed.sub=1", "seed"),
    ],
)
def test_a_bad_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve("adversarial", settings=(setting,))


def test_the_length_given_last_holds() -> None:
    assert resolve("supervised", training__epochs=3).training.steps is None
    assert resolve("supervised", "paper", ("training.steps=9",)).training.epochs is None


def test_another_backbone_drops_the_options_of_the_recipes_own() -> None:
    assert resolve("supervised").network.options
    assert resolve("supervised", settings=("network.backbone=resnet18",)).network.options == {}


def test_unknown_method_and_recipe_are_named() -> None:
    with pytest.raises(InputError, match="Did you mean adversarial"):
        resolve("adverserial")
    with pytest.raises(InputError, match="small"):
        resolve("adversarial", "huge")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("method.auxiliary=flow", r"method\.auxiliary=\[flow\].*\[\] for none"),
        ("method.recogniser=roi", r"Settings there: .*kind"),
    ],
)
def test_a_list_or_a_group_of_settings_is_shown_how_to_write(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve("wsrtl", settings=(setting,))


@pytest.mark.parametrize(
    "method", ["pseudo-label", "fixmatch", "mixmatch", "mean-teacher", "cutmix", "rotation", "exemplar"]
)
@pytest.mark.parametrize("recipe", ["small", "paper"])
def test_a_comparison_on_rois_is_on_the_backbone_of_wsrtl(method: str, recipe: str) -> None:
    compared = resolve(method, recipe, settings=("method.recogniser.kind=roi",))
    assert compared.method["recogniser"] == resolve("wsrtl", recipe).method["recogniser"]


@pytest.mark.parametrize("recipe", ["paper", "small"])
def test_comparisons_of_pretraining_have_the_crops_and_colours_of_their_own_papers(recipe: str) -> None:
    """SimCLR, appendix A, at strength 1; MoCo, section 3.3; KDSRL, 5.1: "color distortion only"."""
    seen = {name: resolve(f"pretrain/{name}", recipe).data.augmentation for name in ("simclr", "moco", "kdsrl")}
    assert {name: view.crop for name, view in seen.items()} == {"simclr": 0.08, "moco": 0.2, "kdsrl": 1}
    for view in (seen["simclr"], seen["moco"]):
        assert view.aspect == pytest.approx(4 / 3, abs=1e-3) and view.flip == 0.5 and view.grey == 0.2
    assert (seen["simclr"].recolour, seen["simclr"].brightness, seen["simclr"].hue, seen["simclr"].blur) == (
        0.8,
        0.8,
        72,
        0.5,
    )
    assert (seen["moco"].recolour, seen["moco"].brightness, seen["moco"].hue, seen["moco"].blur) == (1, 0.4, 144, 0)
    assert seen["kdsrl"].flip == seen["kdsrl"].grey == 0 and seen["kdsrl"].brightness == 0.4


def test_representations_of_the_papers_size_begin_from_imagenet() -> None:
    for name in ("simclr", "moco", "kdsrl"):
        assert resolve(f"pretrain/{name}", "paper").network.init == "imagenet"
