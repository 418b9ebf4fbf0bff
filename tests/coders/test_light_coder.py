"""The coder without torch: torch's answers to every question, and nothing of torch to give them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_runs import write_run
from made_stores import evident_store
from sparsefacs import InputError, coders
from sparsefacs.engine.run import RunFolder
from sparsefacs.evidence.linear import evidence_of
from sparsefacs.evidence.vectors import VECTOR_WIDTH
from sparsefacs.inference.export import sample_evidence, sample_faces
from sparsefacs.inference.model import LightCoder, load_coder, load_network
from sparsefacs.networks.instant import TorchPixels

TINY: dict[str, Any] = {"backbone": "resnet10t", "options": {"channels": [8, 8, 8, 8]}, "input_size": 32}
OTHER: dict[str, Any] = {"backbone": "test_resnet", "input_size": 64}


def faces_of(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random faces, rough and fine, and one real face at several places."""
    import skimage.data
    from PIL import Image

    faces, points = sample_faces(6, size)
    real = Image.fromarray(skimage.data.astronaut()[:240, 96:336])
    faces[3:] = [np.asarray(real.resize((size + n, size + n)).crop((n, 0, size + n, size))) for n in range(3)]
    return faces, points


@pytest.mark.parametrize("name", ["packaged", "coder", "other pixels", "person", "geometry", "intensity"])
def test_every_answer_is_torchs(name: str, tmp_path: Path) -> None:
    """In all columns, with and without the person, blendshapes and any evidence; at once and in two steps."""
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "coder": (TINY | {"evidence": "person"}, {"method": "coder"}),
        "other pixels": (OTHER | {"evidence": "person"}, {"method": "instant", "settings": {"said": 4}}),
        "person": (TINY | {"evidence": "person"}, {"method": "instant"}),
        "geometry": (TINY | {"evidence": "geometry"}, {"method": "instant"}),
        "intensity": (
            TINY | {"evidence": "person"}, {"method": "instant", "settings": {"said": 9}, "task": "intensity"}
        ),
    }  # fmt: skip
    run = coders.coder_folder() if name == "packaged" else write_run(tmp_path / "run", made[name][0], **made[name][1])
    light, network = load_coder(run), load_network(run)
    assert isinstance(light, LightCoder) and isinstance(light.light.pixels, TorchPixels) == (name == "other pixels")
    for each in ("aus", "task", "recipe", "limits", "further", "lineage", "clip", "known", "person"):
        assert getattr(light, each) == getattr(network, each), each
    faces, points = faces_of(light.recipe.size)
    evidence = sample_evidence(network, len(faces))
    vectors, references = evidence[:, :VECTOR_WIDTH].copy(), evidence[:, light.known :]
    vectors[2, VECTOR_WIDTH - 20 :] = np.nan  # a face without blendshapes
    whole = evidence_of(network.encode(faces, points, vectors), references)
    alone = np.concatenate([vectors, references[:, :VECTOR_WIDTH], references[:, -1:]], axis=1)
    for given in (None, whole, alone):
        np.testing.assert_allclose(light(faces, points, given), network(faces, points, given), atol=1e-5)
    for known in (None, vectors):
        np.testing.assert_allclose(light.encode(faces, points, known), network.encode(faces, points, known), atol=2e-5)
    assert (light.settle is None) == (network.settle is None) == (name in ("packaged", "geometry"))
    if light.settle is not None and network.settle is not None:
        sample, own = light.encode(faces, points, vectors), references[2]
        np.testing.assert_allclose(light.settle(sample, own), network.settle(sample, own), atol=1e-5)
        assert np.nanmax(np.abs(light.settle(sample, own) - own)) > 1e-3
    encoded = network.encode(faces, points, vectors)[:, None]
    for compared in (None, references):
        told = light.decode(light.encode(faces, points, vectors)[:, None], compared)
        assert told.shape == (6, len(light.aus) + len(light.further)) and np.isfinite(told).all()
        assert np.ptp(told, axis=0).max() > 0.01
        np.testing.assert_allclose(told, network.decode(encoded, compared), atol=2e-5)


WITHOUT = """
import sys
for name in ("torch", "torchvision", "timm", "lightning_fabric", "onnx"):
    sys.modules[name] = None
import json
import numpy as np
from sparsefacs import api
scores = api.train("instant", sys.argv[1], sys.argv[2], labels="50%")
again = api.train("instant", sys.argv[1], sys.argv[2] + "-evidence", labels="50%", recipe="evidence")
coder = api.load()
faces = np.load(sys.argv[3])
told = coder.decode(coder.encode(faces, np.zeros((len(faces), 68, 2), np.float32))[:, None])
auc = [found["pooled"]["mean"]["auc"]["value"] for found in (scores, again)]
print(json.dumps({"told": told.tolist(), "auc": auc}))
"""


def test_coding_and_learning_from_labels_need_no_torch(tmp_path: Path) -> None:
    """From the packaged coder and from evidence alone, in a program in which torch cannot be imported."""
    store = evident_store(tmp_path / "store", subjects=4)
    faces, points = faces_of(96)
    np.save(tmp_path / "faces.npy", faces)
    given = [str(each) for each in (store.path, tmp_path / "run", tmp_path / "faces.npy")]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    points = np.zeros((len(faces), 68, 2), np.float32)
    network = load_network(coders.coder_folder())
    assert network.recipe.size == 96
    np.testing.assert_allclose(found["told"], network.decode(network.encode(faces, points)[:, None]), atol=2e-5)
    assert found["auc"][1] > 0.9
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"config.yaml", "protocol.json", "log.csv", "model.safetensors", "model.json", "metrics.json"}
    learned, as_torch_has_it = load_coder(tmp_path / "run"), load_network(tmp_path / "run")
    shown = np.stack([store.face(row)[0] for row in range(4)])
    np.testing.assert_allclose(learned(shown, points[:4]), as_torch_has_it(shown, points[:4]), atol=1e-5)


def test_weights_that_were_changed_are_told_in_one_line(tmp_path: Path) -> None:
    run = RunFolder(write_run(tmp_path / "run", TINY | {"evidence": "person"}, method="coder"))
    content = bytearray(run.weights.read_bytes())
    content[-1] ^= 1
    run.weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"damaged or replaced.*SHA-256") as told:
        load_coder(run.path)
    assert "\n" not in str(told.value)
