"""The web application: routers, errors, security headers, the UI and the API's own documentation.

:func:`create_app` makes it, :func:`serve` runs it. Nothing is connected to before the first request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import uvicorn
from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse, JSONResponse, Response

import demeter
from demeter import metering
from demeter.app import live, problems, static_files
from demeter.app.description import describe
from demeter.app.guard import Guard
from demeter.app.listening import listening_socket
from demeter.app.metrics import Measured, metrics
from demeter.app.proof import keys_of_meters
from demeter.app.supervisor import end_with_parent
from demeter.app.wiring import Wiring
from demeter.estate import api as estate_api
from demeter.headend import api as headend_api
from demeter.headend.events import api as events_api
from demeter.headend.operations import api as operations_api
from demeter.headend.push import api as push_api
from demeter.identity import LoginLimiter
from demeter.identity import api as identity_api
from demeter.identity.api import AppDatabase, Wire
from demeter.kernel import NotFound
from demeter.metering import api as metering_api
from demeter.metering.api.access import FrameAccess, OpensFrames
from demeter.runtime.database import Database, Scope, UnitOfWork

READ_FAILURE_AFTER = metering.Policy().offline_after
THREADS = 16  # requests worked on at once: as many as the pool of one database role has connections
DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Demeter API</title>
<link rel="stylesheet" href="/swagger/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/swagger/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script></body></html>
"""
DOCS_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Demeter API</title></head>
<body><main><h1>The API's pages are not built</h1>
<p>Run <code>make ui</code> in Demeter's folder and reload. The description itself is at
<a href="/api/openapi.json">/api/openapi.json</a>.</p></main></body></html>
"""
START_DOCS = """SwaggerUIBundle({
  url: '/api/openapi.json',
  dom_id: '#swagger-ui',
  requestInterceptor: (request) => { request.headers['X-Demeter'] = '1'; return request }
})
"""


class Health(Wire):
    """Whether the process can do its work."""

    healthy: bool
    database: Literal["answers", "does not answer"]
    live: Literal["listening", "reconnecting"]
    version: str


open_router = APIRouter(prefix="/api", tags=["server"])


@open_router.get("/health", operation_id="health", responses={503: {"model": Health}})
def health(request: Request, database: AppDatabase) -> Response:
    """Tell whether the server and its database answer: 200, or 503 with the same body."""
    try:
        with database.unit_of_work(Scope(0, "health", frozenset())) as work:
            work.raw.execute("SELECT 1")
        answers = True
    except Exception as error:  # noqa: BLE001  # whatever keeps the database from answering is the answer
        problems.log.warning("health", error=str(error).splitlines()[0])
        answers = False
    body = Health(
        healthy=answers,
        database="answers" if answers else "does not answer",
        live="listening" if request.app.state.live.listening.is_set() else "reconnecting",
        version=demeter.__version__,
    )
    return JSONResponse(body.model_dump(), status_code=200 if answers else 503)


def create_app(
    database: Database,
    *,
    static: Path = static_files.STATIC,
    frame_access: OpensFrames | None = None,
    read_failure_after: timedelta = READ_FAILURE_AFTER,
) -> FastAPI:
    """Return the application on ``database``.

    ``static`` is where the UI was built to. ``frame_access`` gives the proof what opens raw frames; without it
    everything but ``explain`` answers. ``read_failure_after``: silence that makes a meter a read failure.
    """
    app = FastAPI(
        title="Demeter",
        version=demeter.__version__,
        description="Metering that can be proved: consumption, quality, flags, proof and usage statements.",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.database = database
    app.state.frame_access = frame_access
    app.state.read_failure_after = read_failure_after
    app.state.login_limiter = LoginLimiter(database.clock)
    app.state.live = live.Hub(database)
    heads = (headend_api, operations_api, push_api, events_api)
    for slice_api in (identity_api, estate_api, metering_api, *heads, live):
        app.include_router(slice_api.router)
    app.include_router(open_router)
    app.add_api_route("/metrics", metrics, include_in_schema=False)
    _document(app, static)
    _serve_ui(app, static)
    problems.install(app)
    app.add_middleware(Guard)
    app.add_middleware(Measured)
    return app


class WebServer(uvicorn.Server):
    """uvicorn that ends live streams first when told to stop: it waits for open connections, and streams never end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End live streams, then stop as uvicorn does."""
        self._end_streams()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Stop soon, as after a signal; callable from any thread."""
        self._end_streams()
        self.should_exit = True

    def _end_streams(self) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        hub: live.Hub = app.state.live
        hub.close_streams()


def web_server(app: FastAPI, *, host: str = "127.0.0.1", port: int = 8080) -> WebServer:
    """Return the server of ``app``; ``.run()`` serves until a signal or ``stop``."""
    return WebServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=5,
        )
    )


def serve(wiring: Wiring) -> None:
    """Serve an installation's pages and API until a signal.

    Raises:
        Conflict: the address is taken.
    """

    def frame_access(work: UnitOfWork) -> FrameAccess:
        return FrameAccess(wiring.decoders(), keys_of_meters(wiring.secrets, work))

    settings = wiring.settings
    end_with_parent()
    after = timedelta(hours=settings.read_failure_after_h)
    app = create_app(wiring.database, frame_access=frame_access, read_failure_after=after)
    with listening_socket(settings.http_host, settings.http_port) as listening:
        web_server(app, host=settings.http_host, port=settings.http_port).run(sockets=[listening])


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    hub: live.Hub = app.state.live
    hub.start()
    yield
    await hub.stop()


def _document(app: FastAPI, static: Path) -> None:
    def description() -> JSONResponse:
        return JSONResponse(describe(app))

    def docs() -> HTMLResponse:
        built = (static / "swagger" / "swagger-ui-bundle.js").is_file()
        return HTMLResponse(DOCS if built else DOCS_NOT_BUILT)

    def start_docs() -> Response:
        return Response(START_DOCS, media_type="text/javascript")

    app.add_api_route("/api/openapi.json", description, include_in_schema=False)
    app.add_api_route("/api/docs", docs, include_in_schema=False)
    app.add_api_route("/api/docs/start.js", start_docs, include_in_schema=False)


def _serve_ui(app: FastAPI, static: Path) -> None:
    def page(path: Annotated[str, PathParameter()]) -> Response:
        if path == "api" or path.startswith("api/"):
            raise NotFound("There is nothing at this address.", hint="See /api/docs.")
        return static_files.static_answer(static, path)

    app.add_api_route("/{path:path}", page, methods=["GET", "HEAD"], include_in_schema=False)
