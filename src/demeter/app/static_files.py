"""The built UI: files below ``app/static``, ``index.html`` for the UI's own addresses, a clear page when not built."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response

STATIC = Path(__file__).parent / "static"
IMMUTABLE = "public, max-age=31536000, immutable"  # the build names these files by their content
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Demeter</title></head>
<body><main><h1>Demeter is running, its pages are not built</h1>
<p>The programming interface answers below <a href="/api/health">/api</a>.
To build the pages, run <code>make ui</code> in Demeter's folder and reload.</p></main></body></html>
"""


def static_answer(folder: Path, path: str) -> Response:
    """Return the file ``path`` of the built UI, or its index page for an address of the UI's own router."""
    index = folder / "index.html"
    wanted = _file(folder, path)
    if wanted is not None and wanted != index.resolve():
        cache = IMMUTABLE if path.startswith("assets/") else "no-cache"
        return FileResponse(wanted, headers={"Cache-Control": cache})
    if "." in path.rsplit("/", 1)[-1] and path.startswith("assets/"):
        return HTMLResponse("not found", status_code=404)
    if not index.is_file():
        return HTMLResponse(NOT_BUILT, status_code=503)
    return FileResponse(index, headers={"Cache-Control": "no-cache"})


def _file(folder: Path, path: str) -> Path | None:
    try:
        wanted = (folder / path).resolve()
        return wanted if wanted.is_relative_to(folder.resolve()) and wanted.is_file() else None
    except (OSError, ValueError):  # no name a file could have: too long, or with a NUL in it
        return None
