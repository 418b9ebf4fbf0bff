"""Training a coder, and starting from one: what is learned from whom, and what labels may and may not move."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from edited import edit_record
from made_runs import weights_of
from made_stores import evident_store
from sparsefacs import InputError, api
from sparsefacs.data.augmentation import AugmentationConfig
from sparsefacs.data.batches import FaceLoader
from sparsefacs.data.evidence import EvidenceTable
from sparsefacs.data.joined import open_stores
from sparsefacs.data.sides import side_labels
from sparsefacs.data.store import Store
from sparsefacs.engine.run import RunFolder
from sparsefacs.evidence.fitting import FitSettings, fit_linear, meanings_of
from sparsefacs.evidence.linear import LinearEvidence, evidence_logits
from sparsefacs.evidence.vectors import VECTOR_WIDTH
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder

NETWORK = (
    "network.backbone=resnet10t",
    "network.options={channels: [8, 8, 8, 8]}",
    "network.input_size=32",
)
TINY = (*NETWORK, "training.steps=3", "data.labelled_batch=8", "training.precision=32")
FROM = (*NETWORK, "method.said=9")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return evident_store(tmp_path_factory.mktemp("evident") / "store", sides=True)


@pytest.fixture(scope="module")
def trained(seen: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coder") / "run"
    api.train("coder", seen.path, out, settings=TINY)
    return out


def test_a_coder_tells_occurrence_intensity_and_sides(seen: Store, trained: Path) -> None:
    coder = load_coder(trained)
    assert coder.aus == (1, 4, 12)
    assert coder.further == ("AU01_r", "AU04_r", "AU12_r", "AU04_left_r", "AU12_left_r", "AU04_right_r", "AU12_right_r")
    faces, points = zip(*(seen.face(row) for row in range(5)), strict=True)
    encoded = coder.encode(np.stack(faces), np.stack(points))
    told = coder.decode(encoded[:, None])
    assert told.shape == (5, 10)
    np.testing.assert_allclose(told[:, :3], coder(np.stack(faces), np.stack(points)), atol=1e-6)
    assert told[:, 3:].max() > 1  # intensities go to 5


def test_its_linear_models_learn_from_people_whom_its_pixels_have_not_seen(seen: Store, tmp_path: Path) -> None:
    """Other labels of the people set aside change the linear models and no pixel; others' change pixels."""
    aside = {"of": ""}

    def change(who: str, labels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (1 - labels if who == aside["of"] else labels), points

    api.train("coder", seen.path, tmp_path / "as-is", settings=TINY)
    fold = RunFolder(tmp_path / "as-is").protocol.read_text(encoding="utf-8")
    import json

    aside["of"] = json.loads(fold)["fold"]["validation"][0]
    other = evident_store(tmp_path / "other", sides=True, change=change)
    api.train("coder", other.path, tmp_path / "changed", settings=TINY)
    one, two = weights_of(tmp_path / "as-is"), weights_of(tmp_path / "changed")
    pixels = [key for key in one if key.startswith("pixels.backbone.")]
    assert pixels and [key for key in pixels if not torch.equal(one[key], two[key])] == []
    assert torch.equal(one["pixels.head.weight"][:3], two["pixels.head.weight"][:3])  # presence; of sides see below
    assert not torch.equal(one["evidence.face_EA"], two["evidence.face_EA"])


def test_left_and_right_are_parted_and_exchange_in_a_mirror(tmp_path: Path) -> None:
    """On faces whose one half tells the side, an untrained trunk's last layer is fitted to tell it, and only that."""
    import types

    from sparsefacs.engine.config import resolve
    from sparsefacs.engine.sides import part_sides
    from sparsefacs.methods.coder import CoderMethod
    from sparsefacs.methods.coder_settings import CoderConfig
    from sparsefacs.methods.contract import Setting
    from sparsefacs.networks.config import NetworkConfig

    rng = np.random.default_rng(0)
    config = resolve("coder", settings=(*TINY, "network.input_size=96"), aus=(4,))
    faces = rng.integers(60, 120, (120, 96, 96, 3)).astype(np.uint8)
    sides = np.zeros((120, 2, 1), np.float32)
    for n in range(120):
        side = n % 3
        if side < 2:  # the person's left is at the picture's right
            faces[n, 24:42, slice(60, 84) if side == 0 else slice(12, 36)] += 100
            sides[n, side, 0] = 4
    points = np.tile(np.linspace(2, 30, 136, dtype=np.float32).reshape(68, 2), (120, 1, 1))
    data: Any = types.SimpleNamespace(
        sides=lambda aus: sides, labelled=np.arange(90), validation=np.arange(90, 120),
        coder=types.SimpleNamespace(face=lambda row: (faces[row], points[row])),
    )  # fmt: skip
    torch.manual_seed(0)
    network = CoderMethod.build_predictor(
        Setting("occurrence", (4,), NetworkConfig(**config.network.model_dump())), CoderConfig()
    )
    network.eval()
    before = network.pixels.head.weight.detach().clone()  # type: ignore[union-attr]
    part_sides(network, data, config)
    after = network.pixels.head.weight.detach()  # type: ignore[union-attr]
    assert torch.equal(before[0], after[0])
    torch.testing.assert_close(before[1:].mean(0), after[1:].mean(0), atol=1e-5, rtol=0)
    image = torch.from_numpy(faces[90:]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        told = network.pixels(image)  # type: ignore[misc]
        mirrored = network.pixels(image.flip(3))  # type: ignore[misc]
    apart, other = (told[:, 1] - told[:, 2]).numpy(), (mirrored[:, 1] - mirrored[:, 2]).numpy()
    wanted = sides[90:, 0, 0] - sides[90:, 1, 0]
    sure = wanted != 0
    assert (np.sign((apart - other) / 2)[sure] == np.sign(wanted)[sure]).mean() > 0.9


def test_sides_are_the_intensity_moved_by_what_pixels_find_apart() -> None:
    """Weights and constants do what the sum says, with and without the person; sides that agree are not moved."""
    from sparsefacs.engine.sides import with_sides

    rng = np.random.default_rng(2)
    aus, width = 2, VECTOR_WIDTH + 6
    blank: dict[str, Any] = LinearEvidence.blank(width, 2 * aus).arrays()
    drawn = {name: rng.normal(0, 0.1, each.shape).astype(np.float32) for name, each in blank.items()}
    drawn |= {name: rng.uniform(0.5, 2, width).astype(np.float32) for name in ("scale_E", "changed_E")}
    fitted = LinearEvidence(**drawn)
    vectors = rng.normal(size=(400, width)).astype(np.float32)
    evidence = np.concatenate([vectors, vectors * 0.5, rng.choice([0.0, 9.0], (400, 1))], axis=1).astype(np.float32)
    either = evidence_logits(evidence, fitted, np)[:, aus:]
    apart = (vectors[:, -4 + 1] - vectors[:, -2 + 1]) / 2  # of the second AU: left less right
    truth = 1 / (1 + np.exp(-(either[:, None, 1] + 0.8 * np.stack([apart, -apart], axis=1))))
    sides = np.stack([np.full_like(truth, np.nan), truth], axis=2)
    found = with_sides(fitted, evidence, sides, [1])
    told = evidence_logits(evidence, found, np)
    assert told.shape == (400, 6)
    np.testing.assert_allclose(told[:, :4], evidence_logits(evidence, fitted, np), atol=1e-5)
    np.testing.assert_allclose(told[:, 4] + told[:, 5], 2 * either[:, 1], atol=1e-3)
    gain = (told[:, 4] - told[:, 5]) / 2 / apart
    np.testing.assert_allclose(gain, np.median(gain), atol=1e-2)
    assert 0.7 < np.median(gain) < 0.9


def test_a_flipped_view_has_its_sides_exchanged(seen: Store) -> None:
    sides = side_labels(seen.parts, (1, 4, 12))
    rows = np.arange(12)
    loaded = {}
    for flip in (0.0, 1.0):
        view = AugmentationConfig(flip=flip)
        loader = FaceLoader(seen.parts, seen.occurrence(), seen.intensity(), 32, view, 0, sides=sides)
        loaded[flip] = loader.load(rows, 0).sides
    assert loaded[0.0] is not None and loaded[1.0] is not None
    np.testing.assert_array_equal(loaded[0.0].numpy(), sides[rows])
    np.testing.assert_array_equal(loaded[1.0].numpy(), sides[rows][:, ::-1])
    assert not np.array_equal(sides[rows][:, 0], sides[rows][:, 1])


def test_hidden_labels_have_no_sides_either(seen: Store, tmp_path: Path) -> None:
    from sparsefacs.engine.config import resolve
    from sparsefacs.engine.training_set import training_set
    from sparsefacs.protocols.folds import make_protocol
    from sparsefacs.training import DEFAULT_PROTOCOL

    fold = make_protocol(DEFAULT_PROTOCOL, seen.strings("subject").tolist(), 0).folds[0]
    config = resolve("coder", settings=TINY, aus=(1, 4, 12))
    data = training_set(seen, None, fold, "20%", config)
    shown = np.isfinite(data.sides(config.aus)).all(axis=(1, 2))
    np.testing.assert_array_equal(shown, data.visible.mask.any(axis=1))
    assert 0 < shown.sum() < len(seen) / 3


def test_from_a_coder_and_without_a_label_its_own_answers_come(seen: Store, trained: Path, tmp_path: Path) -> None:
    api.train("instant", seen.path, tmp_path / "run", labels="none", network__init=str(trained), settings=FROM)
    first, second = load_coder(trained), load_coder(tmp_path / "run")
    faces, points = (np.stack(each) for each in zip(*(seen.face(row) for row in range(6)), strict=True))
    np.testing.assert_array_equal(first(faces, points), second(faces, points))
    described = RunFolder(tmp_path / "run").read_model()
    assert [entry["what"] for entry in described["lineage"]].count("start") == 1


@pytest.mark.parametrize("labels", ["none", "30%"])
def test_unlabelled_faces_say_how_active_people_are_and_how_often_aus_count(
    labels: str, seen: Store, trained: Path, tmp_path: Path
) -> None:
    """Read from the training people's faces: nobody's labels, and no face of those tested on."""
    run = tmp_path / "run"
    metrics = api.train(
        "instant", seen.path, run, labels=labels, network__init=str(trained), settings=(*FROM, "selection.rule=last")
    )
    coder = load_coder(run)
    assert metrics["provenance"]["limit_rule"] == RunFolder(run).read_model()["limit_rule"] == "from-coder"
    edit_record(run / "model.json", {}, "limit_rule")  # as earlier versions left it
    assert api.evaluate(run)["provenance"]["limit_rule"] == "from-coder"
    assert load_coder(trained).settle is None and coder.settle is not None
    rows = np.flatnonzero(
        np.isin(seen.strings("subject"), json.loads(RunFolder(run).protocol.read_text())["fold"]["train"])
    )
    codes = code_store(coder, open_stores(seen.path), rows)
    own = np.clip([np.quantile(each, 1 - each.mean()) for each in codes.T], 0.01, 0.99)
    people, its = len(set(seen.strings("subject")[rows].tolist())), np.array(load_coder(trained).limits)
    logits = (people * np.log(own / (1 - own)) + 8 * np.log(its / (1 - its))) / (people + 8)
    np.testing.assert_allclose(coder.limits, 1 / (1 + np.exp(-logits)), atol=2e-4)
    raw = EvidenceTable(seen.parts, person=True).vectors_ME
    reference = np.append(np.median(raw[rows[:9]], axis=0), [0.0] * 9 + [7.0]).astype(np.float32)
    faces = np.concatenate([raw[rows[:9]], np.zeros((9, 9), np.float32)], axis=1)
    assert np.nanmax(np.abs(coder.settle(faces, reference) - reference)) > 1e-4


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_references_are_moved_by_the_codes_of_the_task(
    task: Literal["occurrence", "intensity"], seen: Store, trained: Path, tmp_path: Path
) -> None:
    """By how the mean code on a person's faces, probability or intensity, differs from the training people's."""
    run = tmp_path / "run"
    api.train("instant", seen.path, run, labels="30%", network__init=str(trained), settings=FROM, task=task)
    coder, weights = load_coder(run), weights_of(run)
    usual_A, moves_AE = weights["activity.usual_A"].numpy(), weights["activity.moves_AE"].numpy()
    whole = np.arange(len(seen))
    faces, points = (np.stack(each) for each in zip(*(seen.face(row) for row in whole), strict=True))
    table = EvidenceTable(seen.parts, person=True)
    features = coder.encode(faces, points, table.vectors_ME)
    table = EvidenceTable(seen.parts, person=True, vectors_ME=features)
    codes = coder.decode(features[:, None], table.reference(whole))
    assert (codes.max() > 1) == (task == "intensity")
    subject = seen.strings("subject")
    train = np.isin(subject, json.loads(RunFolder(run).protocol.read_text())["fold"]["train"])
    np.testing.assert_allclose(usual_A, codes[train].mean(axis=0), atol=1e-5)
    references = table.reference(whole)
    for who in np.unique(subject):
        references[subject == who, :-1] += (usual_A - codes[subject == who].mean(axis=0)) @ moves_AE
    moved = coder.decode(features[:, None], references)
    np.testing.assert_allclose(code_store(coder, seen, whole), moved, atol=1e-4)
    assert np.abs(moved - codes).max() > 0.01


def test_no_face_of_those_tested_on_says_how_active_people_are(seen: Store, trained: Path, tmp_path: Path) -> None:
    tested = json.loads(RunFolder(trained).protocol.read_text())["fold"]["test"]

    def change(who: str, labels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (1 - labels, points * 1.5 + 3) if who in tested else (labels, points)

    other = evident_store(tmp_path / "other", sides=True, change=change)
    for name, store in (("a", seen), ("b", other)):
        api.train("instant", store.path, tmp_path / name, labels="30%", network__init=str(trained), settings=FROM)
    one, two = (weights_of(tmp_path / name) for name in ("a", "b"))
    assert one["activity.moves_AE"].any() and all(torch.equal(one[name], two[name]) for name in one)
    assert load_coder(tmp_path / "a").limits == load_coder(tmp_path / "b").limits


def test_labels_move_a_coder_for_intensity_too(seen: Store, trained: Path, tmp_path: Path) -> None:
    settings = (*FROM, "method.c_begun=1")
    for task, name, least in (("occurrence", "auc", 0.9), ("intensity", "icc", 0.5)):
        scores = api.train(
            "instant",
            seen.path,
            tmp_path / task,
            network__init=str(trained),
            settings=settings,
            task=task,
        )
        assert scores["pooled"]["mean"][name]["value"] > least


def test_what_is_no_coder_is_refused_and_so_is_another_network(seen: Store, trained: Path, tmp_path: Path) -> None:
    api.train("instant", seen.path, tmp_path / "plain", recipe="evidence")
    with pytest.raises(InputError, match="is no coder"):
        api.train("instant", seen.path, tmp_path / "a", network__init=str(tmp_path / "plain"), settings=FROM)
    with pytest.raises(InputError, match="pixels are of another network"):
        api.train("instant", seen.path, tmp_path / "b", network__init=str(trained), settings=NETWORK)


@pytest.mark.parametrize(("init", "told"), [("imagenet", "begins from a coder"), ("none", "--recipe evidence")])
def test_a_start_that_is_no_coder_is_never_taken_for_one(init: str, told: str, seen: Store, tmp_path: Path) -> None:
    """Otherwise answers of random pixels would become evidence."""
    with pytest.raises(InputError, match=told):
        api.train("instant", seen.path, tmp_path / "run", network__init=init, settings=FROM)


def test_another_crop_is_another_network(seen: Store, trained: Path, tmp_path: Path) -> None:
    settings = (*FROM, "network.crop=0.7")
    with pytest.raises(InputError, match="pixels are of another network"):
        api.train("instant", seen.path, tmp_path / "run", network__init=str(trained), settings=settings)


def test_any_network_of_its_backbone_may_start_from_its_pixels(seen: Store, trained: Path, tmp_path: Path) -> None:
    settings = (*NETWORK, "training.steps=1", "optimiser.lr=1e-12", "network.evidence=pixels", "training.precision=32")
    api.train("supervised", seen.path, tmp_path / "run", network__init=str(trained), settings=settings)
    coder, run = weights_of(trained), weights_of(tmp_path / "run")
    name = "backbone.conv1.0.weight"
    torch.testing.assert_close(run[name], coder[f"pixels.{name}"], atol=1e-6, rtol=0)


# --- the convex problem


def begun(width: int, rng: np.random.Generator) -> LinearEvidence:
    made: dict[str, Any] = LinearEvidence.blank(width, 1).arrays()
    for name in ("face_EA", "own_EA", "change_EA"):
        made[name] = rng.normal(0, 0.3, made[name].shape).astype(np.float32)
    made["face_A"], made["person_A"] = np.array([-1.0], np.float32), np.array([-0.5], np.float32)
    return LinearEvidence(**made)


def cases(count: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.normal(size=(count, VECTOR_WIDTH))
    moments = rng.choice([0.0, 50.0], (count, 1))
    return np.concatenate([vectors, rng.normal(0, 0.3, vectors.shape), moments], axis=1).astype(np.float32)


def test_no_label_leaves_weights_that_are_begun_from_and_many_overrule_them() -> None:
    rng = np.random.default_rng(3)
    begin, evidence, test = begun(VECTOR_WIDTH, rng), cases(3000, rng), cases(2000, rng)
    nothing = np.full((3000, 1), np.nan)
    same = fit_linear(evidence, nothing, evidence, meanings_of((12,)), FitSettings(), begin)
    for name, value in same.arrays().items():
        np.testing.assert_allclose(value, begin.arrays()[name], atol=1e-7)
    truth = (evidence[:, :1] - evidence[:, 1:2] > 0).astype(float)  # nothing that `begin` knows of
    wanted = test[:, 0] - test[:, 1] > 0
    right = []
    for count in (0, 8, 3000):
        labels = np.where(np.arange(3000)[:, None] < count, truth, np.nan)
        found = fit_linear(evidence, labels, evidence, meanings_of((12,)), FitSettings(c_begun=0.01), begin)
        right.append(float(((evidence_logits(test, found, np)[:, 0] > 0) == wanted).mean()))
    assert right[0] < 0.7 and right[2] > 0.9
    assert abs(right[1] - right[0]) < 0.1  # eight labels do not throw away what was known


def test_weights_begun_from_are_the_minimum_of_their_penalised_losses() -> None:
    """An independent minimiser finds no lower value of the problem as it is written down."""
    from scipy.optimize import minimize

    from sparsefacs.evidence import fitting

    rng = np.random.default_rng(5)
    begin, evidence = begun(VECTOR_WIDTH, rng), cases(40, rng)
    labels = (rng.random((40, 1)) < 0.4).astype(float)
    c = 0.05
    found = fit_linear(evidence, labels, evidence, meanings_of((12,)), FitSettings(c_begun=c, person=False), begin)
    start, own = begin.face_EA[:, 0].astype(float), evidence[:, :VECTOR_WIDTH].astype(float)
    cheap = fitting.PRIOR * start / (own @ start).std()

    def cost(free: np.ndarray) -> float:
        change, along, bias = free[:VECTOR_WIDTH], free[-2], free[-1]
        logits = own @ (start + change + along * cheap) + float(begin.face_A[0]) + bias
        loss = np.logaddexp(0, logits) - labels[:, 0] * logits
        return float(loss.sum() + ((change**2).sum() + along**2) / (2 * c) + fitting.HELD * bias**2 / 2)

    best = minimize(cost, np.zeros(VECTOR_WIDTH + 2), method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-14}).x
    weights = start + best[:VECTOR_WIDTH] + best[-2] * cheap
    np.testing.assert_allclose(found.face_EA[:, 0], weights, atol=2e-4)
    assert abs(found.face_A[0] - begin.face_A[0] - best[-1]) < 2e-3
