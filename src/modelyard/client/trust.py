"""Whether a version may be loaded here: the reader's trust policy, asked with what is known of the version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.client import scans
from modelyard.registry.origins import UNKNOWN, origin_yard
from modelyard.safety.trust import Asked, TrustPolicy, read_policy, require_trusted

if TYPE_CHECKING:
    from modelyard.client.model import Model


def policy() -> TrustPolicy:
    """Of whoever runs this process, here. Raises InvalidConfig."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # a process whose folder was removed under it belongs to no project
        here = Path("/")
    return read_policy(os.environ, here)


def require_loadable(model: Model, trust: bool | None) -> None:
    """Raises Untrusted, Dangerous, Unscanned; see :mod:`modelyard.safety.trust.rule`. InvalidConfig, KeyUnusable for a policy that cannot be read."""
    from modelyard.flavors import format_of, runs_code

    facts = model.manifest.facts["flavor"]
    mine = policy() if trust is None else TrustPolicy()

    def signed() -> bool:
        from modelyard.client.signatures import is_signed_by

        return is_signed_by(model, mine.keyring())

    code = runs_code(model.flavor, facts)  # the flavor's word, not only the author's
    author = _author(model, mine) if code else model.created_by
    own, by_joblib = author == model.workspace.actor, facts.get("format") == "joblib"
    asked = Asked(
        reference=model.reference,
        format=format_of(model.flavor, facts),
        author=author,
        reader=model.workspace.actor,
        runs_code=code,
        signed=signed,
        reported=lambda: scans.reported(model),
        scanned=lambda: scans.found_by_reader(model, own=own, by_joblib=by_joblib),
    )
    require_trusted(asked, mine, trust)


def _author(model: Model, mine: TrustPolicy) -> str:
    """Who made it. A name counts only in the yard where it was given: whoever writes a bundle writes any name into it."""
    registry = model.workspace.registry
    with registry.read() as connection:
        origin = origin_yard(connection, registry.workspace, model.row)
    if origin is None or origin in mine.yards:
        return model.created_by
    return f"{model.created_by} in {origin if origin == UNKNOWN else f'the yard {origin}'}"
