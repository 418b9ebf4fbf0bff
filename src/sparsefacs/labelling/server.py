"""The page's server: one coder, one machine, nothing from outside.

Everything lies under a random name, `http://127.0.0.1:PORT/TOKEN/`, so that no other page, and nobody else on the
machine, can guess it. Requests that name another host, or come from another page, are refused.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound, RequestEntityTooLarge
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from ..errors import InputError
from .faces import check_rows
from .session import Session

HOST = "127.0.0.1"
_LARGEST = 64 * 1024  # bytes of a request
_FILES = {"": "index.html", "page.js": "page.js", "view.js": "view.js", "page.css": "page.css"}
_KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LONGEST_TAB = 64


class LabelApp:
    """The WSGI application over a `Session`; token: the random name that all addresses begin with."""

    def __init__(self, session: Session, token: str | None = None) -> None:
        self.session = session
        self.token = token or secrets.token_urlsafe(24)
        self._files = {
            name: (resources.files(__package__) / "page" / file).read_bytes() for name, file in _FILES.items()
        }
        self._map = Map(
            [
                *(Rule(f"/{name}", endpoint=("file", name), methods=["GET"]) for name in _FILES),
                Rule("/about", endpoint=("about", ""), methods=["GET"]),
                Rule("/face/<int:row>", endpoint=("face", ""), methods=["GET"]),
                *(Rule(f"/{name}", endpoint=("do", name), methods=["POST"]) for name in self._actions()),
            ],
            strict_slashes=True,
        )

    def _actions(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        session = self.session
        return {
            "next": lambda told: session.next(_tab(told)),
            "answer": lambda told: session.answer(_tab(told), told),
            "undo": lambda told: session.undo(_tab(told)),
            "visit": lambda told: session.visit(_whole(told, "row"), 1 if _whole(told, "step") > 0 else -1),
        }

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = _LARGEST
        try:
            response = self._respond(request)
        except InputError as error:
            response = _json({"error": str(error)}, 422)
        except HTTPException as error:
            response = Response(f"{error.code} {error.name}\n", error.code or 500, mimetype="text/plain")
        response.headers.update(_HEADERS)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        self._refuse_foreign(request)
        first, slash, rest = request.path.lstrip("/").partition("/")
        if not (slash and first.isascii() and hmac.compare_digest(first, self.token)):
            raise NotFound
        adapter = self._map.bind(request.host, path_info=f"/{rest}", default_method=request.method)
        (kind, name), arguments = adapter.match(method=request.method)
        if kind == "file":
            return Response(self._files[name], content_type=f"{_KINDS[_FILES[name].rpartition('.')[2]]}; charset=utf-8")
        if kind == "about":
            return _json(self.session.describe())
        if kind == "face":
            return self._face(int(arguments["row"]))
        return _json(self._actions()[name](_told(request)))

    def _face(self, row: int) -> Response:
        try:
            content = self.session.faces.picture(check_rows(self.session.faces, row))
        except InputError as error:
            raise NotFound from error
        kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
        response = Response(content, content_type=kind)
        response.headers["Cache-Control"] = "private, max-age=3600"
        return response

    def _refuse_foreign(self, request: Request) -> None:
        """Raise Forbidden for a request that names another host, as a rebound name does, or comes from another page."""
        host = request.headers.get("Host", "")
        name, _, port = host.rpartition(":")
        if name not in (HOST, "localhost") or port != request.environ.get("SERVER_PORT"):
            raise Forbidden
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin)[:2] != ("http", host):
            raise Forbidden
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Forbidden


def _told(request: Request) -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise BadRequest
    try:
        told = json.loads(request.get_data())
    except RequestEntityTooLarge:
        raise
    except (ValueError, RecursionError) as error:
        raise BadRequest from error
    if not isinstance(told, dict):
        raise BadRequest
    return told


def _tab(told: dict[str, Any]) -> str:
    tab = told.get("tab")
    if not isinstance(tab, str) or not 0 < len(tab) <= _LONGEST_TAB:
        raise BadRequest
    return tab


def _whole(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest
    return value


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")


class _Quiet(WSGIRequestHandler):
    """Writes no line a request, and names no version."""

    protocol_version = "HTTP/1.1"  # one connection for all requests of a page

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""

    def version_string(self) -> str:
        """Return what the server calls itself."""
        return "sparsefacs"


class LabelServer:
    """The server at work, in threads of its own; `address` is what a browser is to open."""

    def __init__(self, session: Session, port: int = 0) -> None:
        self.app = LabelApp(session)
        try:
            self._server: BaseWSGIServer = make_server(HOST, port, self.app, threaded=True, request_handler=_Quiet)
        except (OSError, SystemExit) as error:
            raise InputError(f"port {port} cannot be used ({error})", remedy="Leave --port out") from error
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.address = f"http://{HOST}:{self._server.port}/{self.app.token}/"
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve beside what goes on here."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="label", daemon=True)
        self._thread.start()

    def serve(self) -> None:
        """Serve until interrupted."""
        with suppress(KeyboardInterrupt):
            self._server.serve_forever()

    def close(self) -> None:
        """Stop."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
