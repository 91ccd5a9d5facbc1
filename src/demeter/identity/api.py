"""Sessions over HTTP, and what every other router builds on: the caller's scope, the shape of errors, shared fields.

Request and response shapes are pydantic models and exist only in ``api`` modules. Identifiers are opaque strings,
decimals are strings, instants are ISO 8601 in UTC with their offset, months are ``YYYY-MM`` in the site's own zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

from demeter.identity import service
from demeter.kernel import Denied
from demeter.runtime.database import Database, Scope

COOKIE = "demeter_session"
FIRST_YEAR, LAST_YEAR = 1970, 2199
SIGNED_IN = ""  # any signed-in person, whatever the role


class Wire(BaseModel):
    """Base of all request and response shapes: nothing unknown is accepted, nothing changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Problem(Wire):
    """Why a request was refused."""

    code: str = Field(description="Stable word for programs and translations.", examples=["not_found"])
    message: str = Field(description="A sentence for a person.")
    hint: str = Field(description="What to do about it; may be empty.")


def iso_utc(at: datetime) -> str:
    """Return an aware instant as ISO 8601 in UTC with its offset."""
    return at.astimezone(UTC).isoformat()


def plain_text(text: str) -> str:
    """Return text the database can keep.

    Raises:
        ValueError: it contains a NUL character.
    """
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


def within_time(at: datetime) -> datetime:
    """Return an instant that calendars of all zones can compute with.

    Raises:
        ValueError: before 1970 or after 2199.
    """
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"must be between {FIRST_YEAR} and {LAST_YEAR}")
    return at


Text = Annotated[str, AfterValidator(plain_text)]
Instant = Annotated[
    AwareDatetime,
    AfterValidator(within_time),
    PlainSerializer(iso_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2025-01"])]
MonthQuery = Annotated[
    str | None,
    Query(
        pattern=r"^(19[7-9]|20\d|21\d)\d-(0[1-9]|1[0-2])$",
        description="YYYY-MM in the site's zone; left out: this month.",
    ),
]
Id = Annotated[str, Field(description="Opaque identifier.")]
IdPath = Annotated[int, Path(ge=1, le=2**31 - 1), WithJsonSchema({"type": "string"})]
REFUSALS: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 404, 409, 422, 429, 503)}


def app_database(request: Request) -> Database:
    """Return the database the application was made with."""
    database: Database = request.app.state.database
    return database


AppDatabase = Annotated[Database, Depends(app_database)]


def token_of(request: Request) -> str | None:
    """Return the caller's session token: the cookie's, or a bearer's for programs."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The dependency of a route that admits only callers with ``permission`` and gives their scope."""

    permission: str

    def __call__(self, request: Request) -> Scope:
        """Return the caller's scope.

        Raises:
            Denied: ``no_session`` without a valid session (401), ``denied`` without the permission (403).
        """
        token = token_of(request)
        scope = service.scope_of(app_database(request), token) if token else None
        if scope is None:
            raise Denied("You are not signed in.", code="no_session", hint="Sign in and try again.")
        if self.permission != SIGNED_IN:
            scope.require(self.permission)
        return scope


def authorize(permission: str) -> Authorization:
    """Return the dependency every route but the few public ones has: it admits callers with ``permission`` only."""
    return Authorization(permission)


class Credentials(Wire):
    """What a person signs in with."""

    email: Text = Field(min_length=3, max_length=254)
    password: SecretStr = Field(min_length=1, max_length=1024)


class SessionUser(Wire):
    """Who is signed in."""

    name: str
    email: str
    role: str


class SessionOrganization(Wire):
    """The organization whose data the session sees."""

    id: Id
    name: str


class Session(Wire):
    """A session: who is signed in, and for which organization."""

    user: SessionUser
    organization: SessionOrganization


router = APIRouter(prefix="/api/session", tags=["session"], responses=REFUSALS)
SignedIn = Annotated[Scope, Depends(authorize(SIGNED_IN))]


@router.post("", operation_id="sign_in")
def sign_in(credentials: Credentials, request: Request, response: Response, database: AppDatabase) -> Session:
    """Sign in: sets the session cookie. After too many failed attempts, 429 until some minutes have passed."""
    limiter: service.LoginLimiter = request.app.state.login_limiter
    address = request.client.host if request.client else ""
    with limiter.attempt(credentials.email, address):
        token = service.login(database, credentials.email, credentials.password.get_secret_value())
    scope = service.scope_of(database, token)
    assert scope is not None
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(service.SESSION_LENGTH.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return _session(database, scope)


@router.get("", operation_id="session")
def session(scope: SignedIn, database: AppDatabase) -> Session:
    """Tell who is signed in; 401 if nobody is."""
    return _session(database, scope)


@router.delete("", operation_id="sign_out", status_code=status.HTTP_204_NO_CONTENT)
def sign_out(request: Request, response: Response, database: AppDatabase) -> None:
    """Sign out: the session ends at once, wherever its token may have been copied. Harmless without a session."""
    token = token_of(request)
    if token:
        service.logout(database, token)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _session(database: Database, scope: Scope) -> Session:
    with database.unit_of_work(scope) as uow:
        person, organization = service.signed_in(uow)
    return Session(
        user=SessionUser(name=person.name, email=person.email, role=person.role),
        organization=SessionOrganization(id=str(organization.id), name=organization.name),
    )
