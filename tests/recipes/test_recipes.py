"""The recipes of docs/recipes for more than one machine, run: as Slurm and Snakemake run them."""

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from doc_pages import DOCS
from quick_program import install
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.experiments.items import PAPERS
from sparsefacs.experiments.reproduction import plan_claims, plan_item
from sparsefacs.shards import read_shard

RECIPES = DOCS / "recipes"
SCRIPTS = sorted(RECIPES.glob("*.sbatch"))


def array_of(script: Path) -> tuple[int, int]:
    """Return the first and last number of a script's array, as `#SBATCH --array=` says."""
    found = re.search(r"^#SBATCH --array=(\d+)-(\d+)$", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert found
    return int(found[1]), int(found[2])


def task_of(number: int, first: int, last: int) -> dict[str, str]:
    """Return what Slurm tells a task of an array."""
    count = {"COUNT": last - first + 1, "MIN": first, "MAX": last, "STEP": 1}
    return {f"SLURM_ARRAY_TASK_{key}": str(value) for key, value in ({"ID": number} | count).items()}


def sbatch(
    script: Path, array: tuple[int, int] | None, environment: dict[str, str], died: tuple[int, ...] = ()
) -> None:
    """Stand in for `sbatch [--array=FIRST-LAST] SCRIPT`: the array's tasks as processes at once; died: not started."""
    first, last = array or array_of(script)
    tasks = [
        subprocess.Popen(["bash", str(script)], env=environment | task_of(number, first, last), cwd=script.parent)
        for number in range(first, last + 1)
        if number not in died
    ]
    assert [task.wait(120) for task in tasks] == [0] * len(tasks)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of three frames."""
    folder, rng = tmp_path_factory.mktemp("films") / "my videos", np.random.default_rng(0)
    for name in ("ann/a.mp4", "ann/b.mp4", "bob/a.mp4"):
        write_clip(folder / name, [rng.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(3)])
    return folder


def write_clip(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def folder_digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(table: Path) -> dict[str, int]:
    codes = pd.read_parquet(table)
    assert not codes.duplicated(["input", "frame", "face_id"]).any()
    return {Path(name).as_posix()[-9:]: int(count) for name, count in codes["input"].value_counts().items()}


ALL = {"ann/a.mp4": 3, "ann/b.mp4": 3, "bob/a.mp4": 3}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound_and_name_what_they_need(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/bash\n#SBATCH ") and "\nset -euo pipefail\n" in text
    options = [line.split()[1] for line in text.splitlines() if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"--[a-z-]+(=\S+)?", option) for option in options)
    last_comment, first_command = text.rindex("#SBATCH"), text.index("\nset ")
    assert last_comment < first_command, "Slurm reads no option behind the first command"


@pytest.mark.parametrize("name", ["predict.sbatch", "prepare.sbatch"])
def test_each_task_of_the_array_is_a_shard(name: str) -> None:
    first, last = array_of(RECIPES / name)
    shards = [read_shard(None, task_of(number, first, last)) for number in range(first, last + 1)]
    assert [(one.number, one.of) for one in shards] == [(n, last - first + 1) for n in range(1, last - first + 2)]
    assert len(shards) > 1


def test_an_array_that_lost_a_task_is_submitted_again(
    videos: Path, environment: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    codes, script = tmp_path / "codes", RECIPES / "predict.sbatch"
    given = environment | {"VIDEOS": str(videos), "CODES": str(codes)}
    sbatch(script, (1, 2), given, died=(2,))
    done = {path: path.stat().st_mtime_ns for path in codes.rglob("*.csv")}
    assert 0 < len(done) < 3
    assert api.gather(codes, tmp_path / "all.parquet").problems
    assert not (tmp_path / "all.parquet").exists()
    sbatch(script, (1, 2), given)
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())
    assert not api.gather(codes, tmp_path / "all.parquet").problems
    assert rows_of(tmp_path / "all.parquet") == ALL
    assert "shard 2 of 2 (task of a Slurm array)" in capfd.readouterr().err


def test_an_array_makes_one_store_and_again_what_it_lacks(environment: dict[str, str], tmp_path: Path) -> None:
    import skimage.data

    face = np.ascontiguousarray(skimage.data.astronaut()[:240, 96:352])
    for name in ("ann", "bob"):
        write_clip(tmp_path / "films" / name / "a.mp4", [np.roll(face, 2 * shift, axis=1) for shift in range(3)])
    given = environment | {"SOURCE": str(tmp_path / "films"), "STORE": str(tmp_path / "store")}
    sbatch(RECIPES / "prepare.sbatch", (1, 2), given, died=(2,))
    with pytest.raises(InputError, match="unfinished"):
        Store(tmp_path / "store")
    sbatch(RECIPES / "prepare.sbatch", (1, 2), given)
    alone = api.prepare(tmp_path / "films", tmp_path / "alone", workers=1)
    assert set(Store(tmp_path / "store").strings("subject")) == {"ann", "bob"} and len(alone) == 6
    assert folder_digests(tmp_path / "store") == folder_digests(tmp_path / "alone")


@pytest.fixture
def snakemake(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the Snakefile in `tmp_path`: options, and key=value words for --config."""
    if importlib.util.find_spec("snakemake") is None:
        pytest.skip("snakemake is not installed")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        options = [word for word in words if word.startswith("--")]
        config = ["--config", *(word for word in words if word not in options)]
        flow = [sys.executable, "-m", "snakemake", "--snakefile", str(RECIPES / "Snakefile"), "--cores", "4"]
        return subprocess.run(
            [*flow, *options, *config],
            env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=200,
        )  # fmt: skip

    return run


def test_snakemake_codes_and_joins_and_again_what_was_added(
    videos: Path, snakemake: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    films, codes = tmp_path / "my films", tmp_path / "codes"
    shutil.copytree(videos, films)
    given = (f"videos={films}", f"codes={codes}", "shards=2")
    table = tmp_path / "codes.parquet"

    def done() -> str:
        ended = snakemake(*given)
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    done()
    assert rows_of(table) == ALL
    assert "Nothing to be done" in done()
    shutil.copy2(films / "ann" / "a.mp4", films / "bob" / "b.mp4")  # as old as it was there
    done()
    assert rows_of(table) == ALL | {"bob/b.mp4": 3}


def test_snakemake_goes_past_bad_files_alone(
    videos: Path,
    snakemake: Callable[..., subprocess.CompletedProcess[str]],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """With partial=true a video that cannot be read is named; a folder of other codes ends the work all the same."""
    films, codes, table = tmp_path / "films", tmp_path / "codes", tmp_path / "codes.parquet"
    shutil.copytree(videos, films)
    (films / "ann" / "b.mp4").write_bytes(b"no video" * 20)
    given = (f"videos={films}", f"codes={codes}", "shards=2")
    part = snakemake(*given, "partial=true")
    assert part.returncode == 0, part.stderr
    assert "failed: " in part.stderr and rows_of(table) == {"ann/a.mp4": 3, "bob/a.mp4": 3}
    other = tmp_path / "others"
    fewer = ["sparsefacs", "predict", str(films / "bob"), "--out", str(other), "--every", "2"]
    subprocess.run(fewer, env=environment, check=True, capture_output=True)
    refused = snakemake(given[0], f"codes={other}", "shards=2", "partial=true")
    assert refused.returncode and "other settings (" in refused.stderr
    assert not Path(f"{other}.parquet").exists()


def test_torchrun_of_the_recipe_goes_on_where_a_run_stopped(tmp_path: Path) -> None:
    """The recipe's own command, with stand-ins for Slurm's programs: what it would start, begun and begun before."""
    program = tmp_path / "bin"
    program.mkdir()
    for name, text in {"scontrol": "echo node1; echo node2", "srun": 'printf "%s\\n" "$@"'}.items():
        (program / name).write_text(f"#!/bin/sh\n{text}\n")
        (program / name).chmod(0o755)
    told = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7", "STORE": "s"}
    told |= {"PATH": f"{program}:/usr/bin:/bin", "RUN": str(tmp_path / "run"), "SLURM_GPUS_ON_NODE": "4"}

    def words() -> list[str]:
        script = ["bash", str(RECIPES / "train.sbatch")]
        return subprocess.run(script, env=told, check=True, capture_output=True, text=True).stdout.split()

    wanted = shlex.split(
        "python -m torch.distributed.run --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint node1:29500 "
        f"--rdzv-id 7 -m sparsefacs pretrain mae-face s {tmp_path}/run --recipe paper"
    )
    assert words() == wanted
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    assert words() == [*wanted, "--resume"]


def test_what_the_script_for_a_gpu_asks_for_can_be_planned(tmp_path: Path) -> None:
    """Run with a program in the place of sparsefacs that keeps its arguments, and each of its commands then planned."""
    program = tmp_path / ".venv" / "bin"
    program.mkdir(parents=True)
    for name, does in {"sparsefacs": f'echo "$*" >> {tmp_path}/asked', "python": ":", "make": ":"}.items():
        (program / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (program / name).chmod(0o755)
    paths = {"PATH": f"{program}:{os.environ['PATH']}"}
    subprocess.run(["sh", RECIPES / "claims-on-a-gpu.sh"], cwd=tmp_path, env=os.environ | paths, check=True)
    asked = [shlex.split(line) for line in (tmp_path / "asked").read_text(encoding="utf-8").splitlines()]
    assert {words[1] for words in asked} == set(PAPERS)
    for _, paper, item, *rest in asked:
        assert rest == ["--seeds", "5", "--out", f"reproduced/{paper}"]
        plans = plan_claims(paper) if item == "claims" else [plan_item(paper, item)]
        assert plans and all(plan.jobs for plan in plans)
