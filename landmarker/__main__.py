"""Make the networks that landmarks are found with: those of MediaPipe's `face_landmarker.task`, as ONNX.

python landmarker face_landmarker.task; needs onnx. The file comes from the address in `faces/models.py`. Made is
`src/sparsefacs/faces/weights/face_landmarker.onnx.zip`, the same to the last byte each time, and its hash is printed,
which goes to `faces/models.py` too. The networks answer as LiteRT's do up to rounding; with --check (needs
ai-edge-litert) the answers of both are compared, and the time that they take.
"""

import argparse
import hashlib
import io
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
from onnx_file import GIVEN, PictureWriter, Writer
from tflite_file import Network

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "sparsefacs" / "faces" / "weights" / "face_landmarker.onnx.zip"
NETWORKS = {
    "face_detector": ("regressors", "classificators"),
    "face_landmarks_detector": ("Identity", "Identity_1"),
    "face_blendshapes": ("StatefulPartitionedCall:0",),
}
"""Each network of the bundle, and which of its outputs are wanted."""
KEPT = "geometry_pipeline_metadata_landmarks.binarypb"


def made(task: Path) -> dict[str, bytes]:
    """Return the files of the bundle that is to be written, by name."""
    with zipfile.ZipFile(task) as bundle:
        files = {KEPT: bundle.read(KEPT)}
        for name, outputs in NETWORKS.items():
            network = Network(bundle.read(f"{name}.tflite"))
            writer = PictureWriter if len(network.shapes[network.given]) == 4 else Writer
            files[f"{name}.onnx"] = writer(network).model(outputs)
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    """Return files as a zip file, uncompressed and without the time, so that it is the same each time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        for name, held in files.items():
            bundle.writestr(zipfile.ZipInfo(name), held)
    return content.getvalue()


def check(task: Path, files: dict[str, bytes]) -> None:
    """Print how far answers are from LiteRT's on random numbers, and processor time of one, on one thread."""
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    for name, outputs in NETWORKS.items():
        with zipfile.ZipFile(task) as bundle:
            theirs = Interpreter(model_content=bundle.read(f"{name}.tflite"), num_threads=1)
        theirs.allocate_tensors()
        ours = onnxruntime.InferenceSession(files[f"{name}.onnx"], options, providers=["CPUExecutionProvider"])
        told, places = theirs.get_input_details()[0], {out["name"]: out["index"] for out in theirs.get_output_details()}
        values = np.random.default_rng(0).random(told["shape"]).astype(np.float32)
        turned = np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if values.ndim == 4 else values
        theirs.set_tensor(told["index"], values)
        seconds: list[list[float]] = [[], []]
        for _ in range(100):  # taking turns
            before = time.process_time()
            theirs.invoke()
            between = time.process_time()
            found = ours.run(outputs, {GIVEN: turned})
            seconds[0].append(between - before)
            seconds[1].append(time.process_time() - between)
        pairs = zip(outputs, found, strict=True)
        away = [float(np.abs(theirs.get_tensor(places[out]) - one).max()) for out, one in pairs]
        litert, own = (1000 * float(np.median(each)) for each in seconds)
        print(f"{name}: {max(away):.1e} apart; LiteRT {litert:.2f} ms, onnxruntime {own:.2f} ms", file=sys.stderr)


def main() -> None:
    """Write the networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", type=Path, help="face_landmarker.task")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--check", action="store_true", help="compare with LiteRT")
    given = parser.parse_args()
    files = made(given.task)
    content = zipped(files)
    given.out.write_bytes(content)
    print(f"{given.out}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    if given.check:
        check(given.task, files)


if __name__ == "__main__":
    main()
