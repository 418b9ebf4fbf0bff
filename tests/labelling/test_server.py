"""The page's server: what it gives, and to whom it gives nothing."""

import json
import re
from pathlib import Path

import pytest
from werkzeug.test import Client

from made_answers import said
from made_stores import build_store
from sparsefacs.labelling.server import LabelApp, LabelServer

HOST = {"Host": "127.0.0.1:80"}


@pytest.fixture
def app(open_session) -> LabelApp:
    return LabelApp(open_session(), "secret")


def post(app, path, told, **headers):
    return Client(app).post(path, data=json.dumps(told), headers=HOST | {"Content-Type": "application/json"} | headers)


def test_the_page_and_its_files_come_with_a_policy_that_lets_nothing_else_in(app):
    for name, kind in (("", "text/html"), ("page.js", "text/javascript"), ("page.css", "text/css")):
        found = Client(app).get(f"/secret/{name}", headers=HOST)
        assert (found.status_code, found.mimetype) == (200, kind)
        assert "default-src 'none'" in found.headers["Content-Security-Policy"]
        assert "unsafe" not in found.headers["Content-Security-Policy"]
        assert found.headers["Referrer-Policy"] == "no-referrer"
    pages = Path(__file__).parents[2] / "src/sparsefacs/labelling/page"
    for script in pages.glob("*.js"):
        text = script.read_text()
        assert not any(word in text for word in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "style="))
        assert set(re.findall(r"\w+://[^\"]*", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "://" not in (pages / "index.html").read_text()


def test_faces_come_as_they_are_stored(app):
    found = Client(app).get("/secret/face/3", headers=HOST)
    assert found.mimetype == "image/png"
    assert found.data == app.session.faces.store.encoded(3)


def test_an_answer_is_taken_and_the_next_face_given(app, tmp_path):
    assert post(app, "/secret/next", {"tab": "t"}).json["face"]["row"] == 0
    found = post(app, "/secret/answer", {"tab": "t"} | said(0, 12), Origin="http://127.0.0.1:80")
    assert found.json["face"]["row"] == 1
    assert post(app, "/secret/undo", {"tab": "t"}).json["face"]["row"] == 0
    assert post(app, "/secret/visit", {"tab": "t", "row": -1, "step": -1}).json["face"] is None
    assert Client(app).get("/secret/about", headers=HOST).json["aus"][2]["key"] == "3"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/secret", {}, 404),
        ("/wrong/", {}, 404),
        ("/about", {}, 404),
        ("/sécret/about", {}, 404),
        ("/face/0", {}, 404),
        ("/secret/face/48", {}, 404),
        ("/secret/face/-1", {}, 404),
        ("/secret/face/999999999999999999999", {}, 404),
        ("/secret/face/0/../../store.json", {}, 404),
        ("/secret/../store.json", {}, 404),
        ("/secret/..%2f..%2fstore.json", {}, 404),
        ("/secret//etc/passwd", {}, 404),
        ("/secret/store.json", {}, 404),
        ("/secret/index.html", {}, 404),
        ("/secret/answer", {}, 405),
        ("/secret/", {"Host": "evil.example:80"}, 403),
        ("/secret/", {"Host": "127.0.0.1:81"}, 403),
        ("/secret/", {"Host": "127.0.0.1"}, 403),
        ("/secret/about", {"Origin": "http://evil.example"}, 403),
        ("/secret/about", {"Origin": "null"}, 403),
        ("/secret/about", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("/secret/about", {"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_nothing_else_is_given_to_anybody(app, path, headers, status):
    found = Client(app).get(path, headers=HOST | headers)
    assert found.status_code == status
    assert b"subject" not in found.data
    assert found.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {}, 400),
        (b"[]", {}, 400),
        (b'{"tab": 3}', {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 60_000, {}, 400),
        (b" " * 70_000, {}, 413),
        (json.dumps({"tab": "t"} | said(0)).encode(), {"Content-Type": "text/plain"}, 400),
        (json.dumps({"tab": "t"} | said(0)).encode(), {"Origin": "http://127.0.0.1:81"}, 403),
        (json.dumps({"tab": "t"} | said(99)).encode(), {}, 422),
    ],
)
def test_an_answer_that_is_none_is_refused_and_nothing_is_written(app, tmp_path, content, headers, status):
    told = HOST | {"Content-Type": "application/json"} | headers
    found = Client(app).post("/secret/answer", data=content, headers=told)
    assert found.status_code == status
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 1


def test_a_full_disk_is_told_on_the_page(app, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    found = post(app, "/secret/answer", {"tab": "t"} | said(0))
    assert found.status_code == 422
    assert "was not taken" in found.json["error"]


def test_the_address_is_another_each_time_and_only_of_this_machine(open_session):
    one, two = LabelServer(open_session()), LabelServer(open_session())
    assert one.address.startswith("http://127.0.0.1:")
    assert one.app.token != two.app.token
    assert len(one.app.token) >= 32
    one.close()
    two.close()


def test_hostile_names_come_as_text_and_go_back_to_their_faces(tmp_path, open_session):
    store = build_store(tmp_path / "faces", subjects=2, frames=2, prefix='<img src=x onerror=alert(1)>"=cmd,\n../')
    session = open_session(store=store.path)
    app = LabelApp(session, "secret")
    face = post(app, "/secret/next", {"tab": "t"}).json["face"]
    assert face["subject"].startswith("<img")
    post(app, "/secret/answer", {"tab": "t"} | said(face["row"], 4))
    again = open_session(store=store.path)
    assert again.next("t")["progress"]["coded"] == 1
