"""The page as a whole: what it says, what it leaves out, and that it stands alone and cannot be injected into."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from fake_results import fake_codes

from edited import edit_record
from sparsefacs.errors import InputError
from sparsefacs.reports import report


class Page(HTMLParser):
    """Collects tags with their attributes, and checks that every tag is closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def attributes(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(page_path):
    return Page(page_path.read_text(encoding="utf-8"))


def test_summary_names_labels_score_and_paired_difference(page, pair):
    metrics = json.loads((pair[0] / "metrics.json").read_text())
    mean = metrics["pooled"]["mean"]["f1"]
    assert "adversarial learned from the AU labels of 300 frames (label budget 5%, 3,564 labels)" in page.text
    assert f"mean F1 of {mean['value']:.2f} (95 % interval {mean['low']:.2f} to {mean['high']:.2f})" in page.text
    assert re.search(r"adversarial against supervised, on the same frames: mean F1 0\.\d{3} higher", page.text)
    assert "leaves out zero" in page.text


def test_synthetic_store_raises_the_banner(page):
    assert "synthetic scores are a runnable benchmark, never evidence about real faces" in page.text


def test_every_section_is_there_and_linked(page):
    ids = {attrs["id"] for attrs in page.attributes("section")}
    linked = {attrs["href"] for attrs in page.attributes("a")}
    assert ids == {"scores", "training", "distributions", "faces", "codes", "settings"}
    assert linked == {f"#{name}" for name in ids}


def test_pictures_are_inlined_described_and_sized(page):
    images = page.attributes("img")
    assert len(images) == 3 + 2 + 1 + 2 + 8 + 1 + 1  # bars, curves, marginals, heat maps, faces, still, codes
    for attrs in images:
        assert attrs["src"].startswith(("data:image/svg+xml;base64,", "data:image/jpeg;base64,"))
        assert len(attrs["alt"]) > 15
        assert int(attrs["width"]) > 50


def test_page_needs_nothing_from_elsewhere(page, page_path):
    text = page_path.read_text(encoding="utf-8")
    without_pictures = re.sub(r'src="data:[^"]*"', "", text)
    assert re.findall(r"https?:|//[a-z]|url\(|@import|<script|<link|<iframe|srcset", without_pictures) == []
    policies = [attrs.get("content", "") for attrs in page.attributes("meta")]
    assert any(policy.startswith("default-src 'none'; img-src data:") for policy in policies)
    assert "width=device-width, initial-scale=1" in policies


def test_best_and_mistakes_are_marked_by_more_than_colour(page_path):
    text = page_path.read_text(encoding="utf-8")
    best = re.findall(r'<td class="best">(.*?)</td>', text)
    wrong = re.findall(r'<td class="wrong">(.*?)</td>', text)
    assert best and all("★" in cell and "best" in cell for cell in best)
    assert wrong and all("✗" in cell and "wrong" in cell for cell in wrong)


def test_same_results_give_the_same_page(pair, page_path, tmp_path):
    codes, still = page_path.parent / "smile.csv", page_path.parent / "still.png"
    again = report(tmp_path / "again.html", list(pair), codes=[codes], stills=[still])
    assert again.read_bytes() == page_path.read_bytes()


def test_hostile_names_stay_text(make_run, tmp_path):
    bad = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>"
    run = make_run("run", method=bad, folds=(f"{bad}1", f"{bad}2"), provenance={"note": bad, bad: "key"})
    codes = pd.read_csv(fake_codes(tmp_path / "codes.csv"))
    codes.insert(0, "input", bad)
    codes.to_csv(tmp_path / "codes.csv", index=False)
    out = report(tmp_path / "out.html", [run], codes=[tmp_path / "codes.csv"], title=bad)
    page = Page(out.read_text(encoding="utf-8"))
    assert not page.attributes("script")
    assert all(attrs["src"].startswith("data:") for attrs in page.attributes("img"))
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "<script>alert(1)</script>" in page.text  # shown, as text


def test_hostile_subject_names_stay_text_among_the_faces(make_run, tmp_path, store_path):
    run = make_run("run", store=store_path, name_subject=lambda name: f"<b onclick=x>{name}")
    page = Page(report(tmp_path / "out.html", [run]).read_text(encoding="utf-8"))
    assert not page.attributes("b")
    assert "<b onclick=x>S0" in page.text


def test_intensity_run_has_its_own_metrics(make_run, tmp_path, store_path):
    run = make_run("run", task="intensity", method="kdsrl", folds=("holdout",), store=store_path)
    page = Page(report(tmp_path / "out.html", [run]).read_text(encoding="utf-8"))
    assert "mean ICC(3,1) of" in page.text
    assert "lower is better" in page.text
    assert "intensities from 0 to 5" in page.text
    assert "distributions" not in {attrs["id"] for attrs in page.attributes("section")}


def test_undefined_scores_show_a_dash_and_do_not_break_the_figures(make_run, tmp_path):
    run = make_run("run")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("checksum", None)
    for name in ("value", "low", "high"):
        metrics["pooled"]["per_au"]["12"]["f1"][name] = None
    metrics["distributions"]["difference"]["conditional"][0] = [None] * 3
    metrics["distributions"]["true"]["marginal"][1] = None
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = report(tmp_path / "out.html", [run]).read_text(encoding="utf-8")
    row = re.search(r'AU12 <span class="note">.*?</tr>', text, re.DOTALL)
    assert row is not None and "<td>–</td>" in row[0]
    assert "nan" not in Page(text).text.lower()


def test_only_metrics_is_enough_and_what_is_missing_is_said(make_run, tmp_path):
    run = make_run("run")
    for name in ("log.csv", "predictions.parquet", "config.yaml", "protocol.json"):
        (run / name).unlink()
    page = Page(report(tmp_path / "out.html", [run]).read_text(encoding="utf-8"))
    for name in ("log.csv", "predictions.parquet", "config.yaml", "protocol.json"):
        assert f"{name} is missing" in page.text
    assert {attrs["id"] for attrs in page.attributes("section")} == {"scores", "distributions", "settings"}


def test_store_that_is_gone_leaves_the_faces_out_and_says_so(make_run, tmp_path, store_path):
    moved = tmp_path / "moved"
    shutil.copytree(store_path, moved)
    run = make_run("run", store=moved)
    shutil.rmtree(moved)
    page = Page(report(tmp_path / "out.html", [run]).read_text(encoding="utf-8"))
    assert "moved is no longer there: no example faces" in page.text
    assert "faces" not in {attrs["id"] for attrs in page.attributes("section")}


def test_banner_outlives_the_store(make_run, tmp_path):
    run = make_run("run", provenance={"store": "/gone", "store_source": "synthetic"})
    assert "never evidence about real faces" in report(tmp_path / "out.html", [run]).read_text(encoding="utf-8")


def test_real_faces_get_no_banner_but_a_word_on_sharing(make_run, tmp_path, store_path):
    real = tmp_path / "real"
    shutil.copytree(store_path, real)
    edit_record(real / "store.json", {"source": {"kind": "folder"}})
    page = Page(report(tmp_path / "out.html", [make_run("run", store=real)]).read_text(encoding="utf-8"))
    assert "Synthetic" not in page.text
    assert "share it only as your data agreement allows" in page.text


def test_unlike_runs_are_cautioned(make_run, tmp_path):
    one = make_run("one", provenance={"store_hash": "aaaa"})
    other = make_run("other", method="supervised", aus=(1, 4), provenance={"store_hash": "bbbb"}, rows=90)
    page = Page(report(tmp_path / "out.html", [one, other]).read_text(encoding="utf-8"))
    assert "different stores: compare their scores with care" in page.text
    assert "different AUs" in page.text
    assert "without a paired interval, because they were not scored on the same held-out frames" in page.text


def test_run_of_all_folds_shows_its_first_fold_and_says_so(make_run, tmp_path):
    run = make_run("run", provenance={"fold": "all"})
    (run / "fold-1").mkdir()
    for name in ("log.csv", "config.yaml", "protocol.json"):
        (run / name).rename(run / "fold-1" / name)
    page = Page(report(tmp_path / "out.html", [run]).read_text(encoding="utf-8"))
    assert "training" in {attrs["id"] for attrs in page.attributes("section")}
    assert "log.csv is shown of fold-1 only" in page.text


def test_photo_codes_become_a_table(make_run, tmp_path):
    codes = pd.DataFrame({"frame": [1, 1], "face_id": [0, 1], "timestamp": [np.nan] * 2, "success": [1, 1]})
    codes["AU12_p"] = [0.91, 0.07]
    codes["AU12_r"] = [np.nan] * 2
    codes.to_parquet(tmp_path / "photo.parquet")
    page = Page(report(tmp_path / "out.html", [make_run("run")], codes=[tmp_path / "photo.parquet"]).read_text())
    assert "probability of each action unit" in page.text
    assert re.search(r"AU12\s+Lip Corner Puller\s+0\.91\s+0\.07", page.text)


def _broken_metrics(run):
    (run / "metrics.json").write_text("{")


def _other_format(run):
    (run / "metrics.json").write_text('{"format": 99}')


def _broken_predictions(run):
    (run / "predictions.parquet").write_bytes(b"PAR1 not at all")


def _column_missing(run):
    path = run / "predictions.parquet"
    pd.read_parquet(path).drop(columns="AU12_true").to_parquet(path)


def _label_out_of_range(run):
    path = run / "predictions.parquet"
    pd.read_parquet(path).assign(AU12_true=7).to_parquet(path)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda run: (run / "metrics.json").unlink(), "metrics.json.*sparsefacs evaluate"),
        (_broken_metrics, "metrics.json.*sparsefacs evaluate"),
        (_other_format, "metrics.json.*format 99"),
        (_broken_predictions, "predictions.parquet"),
        (_column_missing, "predictions.parquet.*AU12_true"),
        (_label_out_of_range, "predictions.parquet.*out of range"),
        (lambda run: (run / "log.csv").write_bytes(b""), "log.csv"),
        (lambda run: (run / "protocol.json").write_text("nope"), "protocol.json"),
        (shutil.rmtree, "is not a run folder"),
    ],
)
def test_broken_run_is_one_line_naming_the_file(make_run, tmp_path, damage, named):
    run = make_run("run")
    damage(run)
    with pytest.raises(InputError, match=named) as error:
        report(tmp_path / "out.html", [run])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("codes.csv", b""), ("codes.csv", b"a,b\n1,2\n"), ("codes.parquet", b"junk"), ("codes.csv", None)],
)
def test_broken_codes_are_one_line_naming_the_file(make_run, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        report(tmp_path / "out.html", [make_run("run")], codes=[tmp_path / name])


def test_broken_still_is_named(make_run, tmp_path):
    (tmp_path / "still.png").write_bytes(b"\x89PNG junk")
    with pytest.raises(InputError, match=r"still\.png"):
        report(tmp_path / "out.html", [make_run("run")], stills=[tmp_path / "still.png"])


def test_nothing_is_overwritten(make_run, tmp_path):
    out = tmp_path / "out.html"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"out\.html"):
        report(out, [make_run("run")])
    assert out.read_text() == "mine"
    with pytest.raises(InputError, match="is a folder"):
        report(tmp_path, [tmp_path / "run"])


def test_mixed_tasks_and_repeated_runs_are_refused(make_run, tmp_path):
    one, other = make_run("one"), make_run("other", task="intensity")
    with pytest.raises(InputError, match="one report for each"):
        report(tmp_path / "out.html", [one, other])
    with pytest.raises(InputError, match="named twice"):
        report(tmp_path / "out.html", [one, one])
    with pytest.raises(InputError, match="no result"):
        report(tmp_path / "out.html", [])
