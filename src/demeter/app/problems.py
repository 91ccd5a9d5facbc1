"""How errors leave the server: ``application/problem+json`` with ``code``, ``message`` and ``hint``, never a trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from demeter.kernel import Conflict, DemeterError, Denied, Invalid, NotFound, Unavailable
from demeter.runtime import logging

PROBLEM_JSON = "application/problem+json"
STATUS_OF_CODE = {"no_session": 401, "wrong_credentials": 401, "too_many_attempts": 429}
STATUS_OF_TYPE: dict[type[DemeterError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Denied: 403,
    Unavailable: 503,
}
WORDS = {404: "There is nothing at this address.", 405: "This address does not answer that method."}

log = logging.get("web")


def problem(status: int, code: str, message: str, hint: str = "") -> JSONResponse:
    """Return an error answer."""
    return JSONResponse({"code": code, "message": message, "hint": hint}, status, media_type=PROBLEM_JSON)


def status_of(error: DemeterError) -> int:
    """Return the HTTP status an error of ours is answered with; 500 for one of no known kind."""
    by_type = next((status for kind, status in STATUS_OF_TYPE.items() if isinstance(error, kind)), 500)
    return STATUS_OF_CODE.get(error.code, by_type)


def on_our_error(_: Request, error: Exception) -> JSONResponse:
    """Answer an error that was raised on purpose."""
    assert isinstance(error, DemeterError)
    return problem(status_of(error), error.code, error.message, error.hint)


def on_bad_request(_: Request, error: Exception) -> JSONResponse:
    """Answer input that does not have the documented shape, naming the fields but not repeating their content."""
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()[:5]]
    return problem(422, "bad_request", "; ".join(found), "See /api/docs for what this address accepts.")


def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """Answer what the framework itself refuses."""
    assert isinstance(error, HTTPException)
    message = WORDS.get(error.status_code, str(error.detail))
    return problem(error.status_code, f"http_{error.status_code}", message)


def on_database_error(_: Request, error: Exception) -> JSONResponse:
    """Answer that the database is away; it is restarted when it dies, so trying again helps."""
    log.warning("database_unavailable", error=str(error).splitlines()[0])
    return problem(503, "database_unavailable", "The database does not answer just now.", "Try again in some seconds.")


def on_defect(request: Request, error: Exception) -> JSONResponse:
    """Answer a defect of ours: logged in full, told in one sentence."""
    log.error("defect", path=request.url.path, kind=type(error).__name__)  # the trace follows from uvicorn
    return problem(500, "defect", "Demeter made a mistake; it is in the log.", "Tell the administrator the time.")


Handler = Callable[[Request, Exception], JSONResponse | Awaitable[JSONResponse]]


def install(app: FastAPI) -> None:
    """Make ``app`` answer all errors as problems."""
    app.add_exception_handler(DemeterError, on_our_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(HTTPException, on_http_error)
    for kind in (OperationalError, PoolTimeout, psycopg.OperationalError):
        app.add_exception_handler(kind, on_database_error)
    app.add_exception_handler(Exception, on_defect)
