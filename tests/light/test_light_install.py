"""The core alone, as `pip install .` installs it: everything that coders do, and one line for what needs an extra."""

import json
import re
import subprocess
import sys
import tomllib
from fractions import Fraction
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sparsefacs import InputError, extras
from sparsefacs.extras import EXTRAS, missing_extra, needs_extra
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.inference.onnx_model import METADATA, with_sum

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("without_extras.py")
ASK = """In the program's folder, install them with `pip install ".[{}]"`"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, who are one: two photos and a clip of six frames, and a table of labels of them."""
    import av
    import skimage.data

    face = np.ascontiguousarray(skimage.data.astronaut()[:240, 96:352])
    folder = tmp_path_factory.mktemp("light")
    (folder / "media").mkdir()
    Image.fromarray(face).save(folder / "media" / "a.png")
    Image.fromarray(face[:, ::-1]).save(folder / "media" / "b.png")
    with av.open(str(folder / "media" / "c.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = *face.shape[:2], "yuv420p"
        for shift in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(face, 2 * shift, axis=1), format="rgb24")))
        container.mux(stream.encode())
    rows = [("a.png", "a", ""), ("b.png", "b", ""), *(("c.mp4", "c", frame) for frame in range(6))]
    labels = pd.DataFrame(rows, columns=["path", "subject", "frame"]).assign(AU12=1, AU4=0)
    labels.to_csv(folder / "labels.csv", index=False)
    _write_coder(folder / "coder.onnx")
    return folder


def _write_coder(path: Path) -> None:
    """Write a file as `export` does, whose codes of AUs 1, 4, 12 are how red, green and blue a face is."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["faces"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["codes"]),
    ]
    told = [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["B", 40, 40, 3])]
    codes = [helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["B", 3])]
    graph = helper.make_graph(nodes, "coder", told, codes, [helper.make_tensor("most", TensorProto.FLOAT, [], [255])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    described = {"format": 2, "aus": [1, 4, 12], "task": "occurrence", "recipe": FaceRecipe(size=40).as_json()}
    described |= {"landmarks": False, "limits": [0.5] * 3}
    helper.set_model_props(model, {METADATA: json.dumps(described)})
    path.write_bytes(with_sum(model.SerializeToString()))
    onnx.checker.check_model(str(path))


def test_all_that_coders_do_needs_no_extra(media: Path) -> None:
    commands = [
        "prepare media store --dataset table --labels labels.csv --workers 1",
        "inspect store --json",
        "protocol store --protocol kfold:3 --json",
        "predict coder.onnx media/a.png --out small.csv",
        "predict media/c.mp4 --out codes.csv",
        "events codes.csv codes.boris",
        "summary codes.csv summary.csv",
        "agreement labels.csv codes.csv --page agreement.html --json",
        "coders coder",
    ]
    drawn = ["inspect store --sheet new.png", "inspect store --picture new.png"]
    *answers, sheet, picture = _answers(media, [*commands, *drawn])
    for code, out, err in (sheet, picture):
        assert (code, out) == (2, "") and asked(err, "plots"), err
    for command, (code, _, err) in zip(commands, answers, strict=True):
        assert not code, f"{command}: {err}"
    assert json.loads(answers[1][1])["faces"] == 8
    assert len(json.loads(answers[2][1])["folds"]) == 3
    assert len(pd.read_csv(media / "small.csv")) == 1
    assert pd.read_csv(media / "codes.csv")["AU12_p"].gt(0.5).all()  # a broad smile
    assert pd.read_csv(media / "summary.csv").query("au == 12")["present"].iloc[0] == 1
    for made in ("codes.boris", "agreement.html"):
        assert (media / made).stat().st_size > 1000


def test_what_needs_an_extra_says_so_in_one_line(media: Path) -> None:
    """Before anything is made."""
    extra = {
        "train supervised run new": "train",
        "pretrain simclr run new": "train",
        "demo --out new": "train",
        "demo --out new --media media/a.png": "train",
        "make-coder new": "train",
        "probe run store new": "train",
        "features pixels store --out new.csv": "train",
        "pictures run new": "train",
        "reproduce benchmark occurrence --out new": "train",
        "synth new": "train",
        "synth new --layout bp4d": "train",
        "methods": "train",
        "export run new.onnx": "train",
        "predict media/c.mp4 --out new.csv --plot new.png": "plots",
    }
    for command, (code, out, err) in zip(extra, _answers(media, list(extra)), strict=True):
        assert (code, out) == (2, ""), command
        assert asked(err, extra[command]), err
    assert not list(media.glob("new*"))


def asked(err: str, extra: str) -> re.Match[str] | None:
    """Whether a command said in its one line that it needs an extra."""
    ask = re.escape(ASK.format(extra))
    return re.fullmatch(rf"sparsefacs: .* (\w+) is not installed\. {ask}\.\n", err)


def _answers(folder: Path, commands: list[str]) -> list[tuple[int, str, str]]:
    given = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), given], capture_output=True, text=True, check=False, cwd=folder, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_python_is_told_the_same_and_other_modules_are_left_alone() -> None:
    def miss(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    with pytest.raises(InputError, match=re.escape(ASK.format("train"))):
        needs_extra(miss)("torch.nn")
    with pytest.raises(InputError, match=r"\[dask\]"):
        needs_extra(miss)("distributed")
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        needs_extra(miss)("pandas")
    assert missing_extra(ImportError("no name")) is None


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("pyvenv.cfg", 'pip install ".[dask]"'),
        ("uv-receipt.toml", 'uv tool install ".[plots,dask]"'),
        ("pipx_metadata.json", 'pipx install --force ".[plots,dask]"'),
    ],
)
def test_an_extra_is_added_by_what_made_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, command: str
) -> None:
    """What pip reaches is another one there; matplotlib stands in it already, and must not go."""
    (tmp_path / mark).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(extras, "find_spec", lambda module: (module == "matplotlib") or None)
    assert extras.install_command("dask") == command


def test_the_extras_are_those_of_the_package() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brings = packages_distributions()
    named = {extra: {_name(requirement) for requirement in told["optional-dependencies"][extra]} for extra in EXTRAS}
    for extra, modules in EXTRAS.items():
        assert {_name(each) for module in modules for each in brings.get(module, ())} >= named[extra], extra
    core = {_name(requirement) for requirement in told["dependencies"]}
    assert not core & {_name(each) for modules in EXTRAS.values() for module in modules for each in brings[module]}


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_commands_start_without_what_is_slow_to_import() -> None:
    slow = ("numpy", "pandas", "pyarrow", "pydantic", "yaml", "torch", "cv2", "av", "onnxruntime", "matplotlib")
    look = f"import sys, sparsefacs.cli; print([each for each in {slow} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
