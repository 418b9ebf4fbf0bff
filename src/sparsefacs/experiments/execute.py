"""Runs a plan's jobs as processes of the command line, several at a time, or writes them down for a cluster's queue."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import WINDOWS, make_folder, write_bytes, write_text
from ..progress import progress
from .jobs import Job, Plan
from .stores import command_line

_GRACE_S = 60.0  # for a stopped training to save its state
_LAST_BYTES = 4000
_MOST_TOGETHER = 8  # a small training takes about 1.2 GB


@dataclass(frozen=True)
class Failure:
    """A job that did not end well: its name, and why in one line."""

    job: str
    why: str


def run_jobs(
    plan: Plan, together: int | None, costs: dict[str, float], check: Callable[[Job], str] = lambda job: ""
) -> list[Failure]:
    """Run what is not finished, `together` processes at a time; return the jobs that failed.

    At small scale each has one thread, since sums in another order give other last digits: so the numbers are the same
    however many run together, by default one a core. At paper scale they share the cores, by default one after the
    other.

    costs: seconds each may take, for the time left; check: says why what a job made is not what it should be. A job
    whose need failed is not begun and counts as failed. What was stopped is gone on with. Raises InputError when the
    user stops it; the trainings under way save their state.
    """
    todo = {job.id: job for job in plan.jobs if not job.finished}
    failed: dict[str, str] = {}
    running: dict[Future[str], Job] = {}
    cores, small = os.cpu_count() or 1, plan.scale == "small"
    together = together or (min(cores, _MOST_TOGETHER) if small else 1)
    crew = _Crew(plan.out / "logs", 1 if small else max(1, cores // together))
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGTERM, signal.SIGINT):  # `kill` stops the trainings too, and begun by `nohup … &`
            signal.signal(each, signal.default_int_handler)
    total = sum(round(costs[name]) for name in todo)
    with (
        progress(f"reproduce {plan.paper} {plan.key}", total, "s of work") as bar,
        ThreadPoolExecutor(together) as pool,
    ):
        try:
            while todo or running:
                for job in _ready(todo, running, failed, together):
                    del todo[job.id]
                    running[pool.submit(crew.run, job)] = job
                if not running:
                    break
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    job = running.pop(future)
                    if why := future.result() or check(job):
                        failed[job.id] = why
                        print(f"failed: {job.id}: {why}", file=sys.stderr)
                    bar.advance(round(costs[job.id]), job.id)
        except KeyboardInterrupt:
            crew.stop()
            raise InputError(
                f"stopped by the user with {len(todo) + len(running)} jobs to go",
                path=plan.out,
                remedy="Give the same command again to go on",
            ) from None
    return [Failure(name, why) for name, why in failed.items()]


def _ready(todo: dict[str, Job], running: dict[Future[str], Job], failed: dict[str, str], together: int) -> list[Job]:
    """Return the jobs to begin now; those whose needs failed are moved from `todo` to `failed`."""
    waiting = {*todo, *(job.id for job in running.values())}
    found: list[Job] = []
    for job in list(todo.values()):
        lost = next((need for need in job.needs if need in failed), None)
        if lost is not None:
            failed[job.id] = f"not begun, because {lost} failed"
            del todo[job.id]
        elif not any(need in waiting for need in job.needs) and len(running) + len(found) < together:
            found.append(job)
    return found


class _Crew:
    """The processes under way. threads: of each."""

    def __init__(self, logs: Path, threads: int) -> None:
        self.logs, self.threads = logs, threads
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, job: Job) -> str:
        """Run a job to its end; return why it failed, empty if it did not."""
        clear(job)
        log = self.logs / f"{job.id.replace('/', '--')}.log"
        make_folder(log.parent)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(self.threads))
        command = [sys.executable, "-m", "sparsefacs", *job.words]
        with log.open("wb") as told:
            out = subprocess.PIPE if job.to is not None else told
            process = subprocess.Popen(command, stdout=out, stderr=told, env=environment, **_apart())
            self.processes.append(process)
            answer, _ = process.communicate()
        if process.returncode == 0 and job.to is not None:
            write_bytes(job.to, answer)
        if process.returncode == 0 and job.finished:
            return ""
        return last_line(log) or f"ended with code {process.returncode}"

    def stop(self) -> None:
        """Ask the processes to stop, as Ctrl-C does, and wait until they have."""
        under_way = [process for process in self.processes if process.poll() is None]
        for process in under_way:
            process.send_signal(signal.CTRL_BREAK_EVENT if WINDOWS else signal.SIGINT)  # type: ignore[attr-defined]
        end = time.monotonic() + _GRACE_S
        for process in under_way:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def _apart() -> dict[str, Any]:
    """Return how a process is begun so that Ctrl-C reaches it once, from `stop`, and not while it saves its state."""
    if WINDOWS:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


def clear(job: Job) -> None:
    """Remove what a stopped job left, unless it goes on from there."""
    begun = [path for path in job.made if path.exists()]
    resumable = job.kind in ("train", "pretrain") and all((path / "config.yaml").exists() for path in begun)
    if job.kind == "synth" or resumable:
        return
    for path in begun:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def last_line(log: Path) -> str:
    """Return the last line of a job's log that says something; empty if there is none."""
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = handle.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def write_jobs(plan: Plan, path: Path) -> tuple[int, int]:
    """Write the commands that are left to do, a line each, into `path`; return how many, and in how many stages.

    The commands of a stage need those of the stages before, and nothing of each other: for GNU parallel, or an array
    job a stage. A comment line heads each stage.
    """
    lines = [
        "# Each stage needs those before it. Then give the command of `sparsefacs reproduce` again for the results.",
        *(["# Numbers repeat exactly with one thread each: export OMP_NUM_THREADS=1"] if plan.scale == "small" else []),
    ]
    count = stages = 0
    for stage in plan.stages():
        left = [job for job in stage if not job.finished]
        if left:
            stages += 1
            lines.append(f"# stage {stages}: {len(left)} commands")
            lines += [_line(job) for job in left]
            count += len(left)
    write_text(path, "\n".join(lines) + "\n")
    return count, stages


def _line(job: Job) -> str:
    """Return a job's command; what a file is to hold is printed into it."""
    if job.to is None:
        return command_line(job.words)
    return f"mkdir -p {job.to.parent} && {command_line(job.words)} > {job.to}"


def commands(jobs: Sequence[Job]) -> list[str]:
    """Return the jobs' commands."""
    return [_line(job) for job in jobs]
