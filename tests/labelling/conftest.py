"""A store, and a coder's session on it that asks in random order."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from made_answers import AUS
from made_stores import build_store
from sparsefacs.labelling.opening import label_store
from sparsefacs.labelling.session import Session


class Believing:
    """A queue that asks rows in order, keeps the last person for the test, and believes what was told of the row."""

    problem = ""

    def __init__(self, store, aus) -> None:
        self.people = store.strings("subject").tolist()
        self.learned: list[dict] = []
        self.aus = aus

    def next(self, answered, count=1):
        from sparsefacs.labelling.asking import Ask

        free = [row for row in range(len(self.people)) if row not in answered]
        return [Ask(row, "random", self.people[row] == self.people[-1]) for row in free[:count]]

    def learn(self, answers) -> None:
        self.learned.append({row: dict(told) for row, told in answers.items()})

    def beliefs(self, row):
        return dict.fromkeys(self.aus, 0.25)


@pytest.fixture(scope="session")
def faces_store(tmp_path_factory) -> Path:
    """A store of 6 people with 8 faces each, AUs 1, 4, 12."""
    return build_store(tmp_path_factory.mktemp("labelling") / "faces", frames=8).path


@pytest.fixture
def open_session(faces_store: Path, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Return a function that opens a session; what runs beside runs at once."""
    with ExitStack() as stack:

        def call(name: str = "labels.csv", coder: str = "anna", **settings) -> Session:
            given = {"double": 0.0, "make_queue": Believing, "later": lambda work: work()} | settings
            store = given.pop("store", faces_store)
            aus = given.pop("aus", AUS)
            return stack.enter_context(label_store(store, tmp_path / name, aus, coder=coder, **given))

        yield call
