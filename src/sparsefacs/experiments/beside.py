"""What an item has made of its runs beside scores: pictures, maps, counts and label cards, each a job of its plan."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..networks.config import PIXELS
from .jobs import Job, Plan, slug

if TYPE_CHECKING:
    from .plan import Maker


def add_extras(plan: Plan, maker: "Maker") -> None:
    """Add the jobs of the item's extras to a plan whose runs of seed 0 are there."""
    _Beside(plan, maker).extras()


class _Beside:
    """Adds extras to a plan. maker: adds the stores, starts and jobs that they need."""

    def __init__(self, plan: Plan, maker: "Maker") -> None:
        self.plan, self.maker = plan, maker

    def extras(self) -> None:
        """Add pictures, maps and cards."""
        for extra in self.plan.item.extras:
            if extra.kind == "card":
                self._cards()
            if extra.kind == "counts":
                self._counts()
            for data in self.plan.data():
                if extra.kind == "map":
                    for name in extra.of:
                        self._map(name, data)
                if extra.kind == "pictures":
                    for name in extra.of:
                        self._pictures(name, data, extra.beside)

    def _pictured(self, name: str, data: str) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
        """Return the run folder that a row's or pre-training's pictures are of, its jobs, and the store to name."""
        for run in self.plan.runs:
            if (run.row.name, run.data, run.seed) == (name, data, 0):
                return run.folds[0], run.jobs[:1], ()
        if name == PIXELS:
            return Path(PIXELS), self.maker.stores(data), ()
        needs = self.maker.stores(data)
        folder, waits = self.maker.start(name, data, 1)
        store = () if self.maker.of_the_training(name) else (str(self.plan.stores.of(data)),)
        return folder, (*needs, *waits), store

    def _of_data(self, name: str, data: str) -> str:
        """Return the name of what is made of one data set, which is told where there are several."""
        return name if len(self.plan.data()) == 1 else f"{name}, {data}"

    def _pictures(self, name: str, data: str, second: str | None) -> None:
        folder, needs, store = self._pictured(name, data)
        beside: tuple[str, ...] = ()
        if second is not None:
            other, waits, _ = self._pictured(second, data)
            beside, needs = ("--beside", str(other)), (*needs, *waits)
        called = self._of_data(name, data)
        out = self.plan.out / "pictures" / slug(called)
        words = ("pictures", str(folder), str(out), *store, *beside)
        self.plan.extras[f"pictures of {called}"] = out
        self.maker.add(Job(f"pictures/{slug(called)}", "pictures", words, out / "pictures.json", (out,), needs))

    def _counts(self) -> None:
        for data in self.plan.data():
            needs, out = self.maker.stores(data), self.plan.out / "counts" / f"{slug(data)}.json"
            words = ("inspect", str(self.plan.stores.of(data)), "--json")
            self.plan.counts[data] = out
            self.maker.add(Job(f"counts/{out.stem}", "counts", words, out, (out,), needs, to=out))
            self.plan.extras[f"how often each AU occurs, {data}"] = out.with_suffix(".svg")

    def _map(self, name: str, data: str) -> None:
        folder, needs, _ = self._pictured(name, data)
        store = self.plan.stores.of(data)
        name = self._of_data(name, data)
        stem = self.plan.out / "maps" / slug(name)
        table, picture = stem.with_name(f"{stem.name}.parquet"), stem.with_name(f"{stem.name}.png")
        words = ("features", str(folder), str(store), "--out", str(table), "--picture", str(picture))
        self.plan.extras[f"map of {name}"] = picture
        self.maker.add(Job(f"maps/{stem.name}", "map", words, picture, (table, picture), needs))

    def _cards(self) -> None:
        labels = (self.plan.item.small.labels if self.maker.small else None) or self.plan.item.labels
        for data in self.plan.data():
            needs = self.maker.stores(data)
            for budget in labels:
                out = self.plan.out / "cards" / f"{slug(data)}-{slug(budget)}.json"
                store = str(self.plan.stores.of(data))
                words = ("protocol", store, "--protocol", self.maker.protocol(data), "--labels", budget, "--json")
                self.plan.extras[f"labels of {data}, {budget}"] = out
                self.maker.add(Job(f"cards/{out.stem}", "card", words, out, (out,), needs, to=out))
