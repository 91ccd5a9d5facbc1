"""The API's description: what the UI's types are generated from."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from demeter.app.problems import PROBLEM_JSON


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``, with errors under their own media type."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in app.openapi_schema["paths"].values():
            for operation in path.values():
                _name_problems(operation["responses"])
        for left_over in ("HTTPValidationError", "ValidationError"):
            app.openapi_schema["components"]["schemas"].pop(left_over, None)
    return app.openapi_schema


def _name_problems(responses: dict[str, Any]) -> None:
    for status, answer in responses.items():
        content = answer.get("content", {}).get("application/json")
        if status >= "400" and content == {"schema": {"$ref": "#/components/schemas/Problem"}}:
            answer["content"] = {PROBLEM_JSON: content}


def as_text(document: dict[str, Any]) -> str:
    """Return the document as it is committed: sorted, indented, one newline at the end."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
