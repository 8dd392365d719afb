"""A version of a model: the object that users hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client.entry import Entry
from modelyard.client.registration import Inputs
from modelyard.core.digests import Digest
from modelyard.core.errors import NotServable
from modelyard.core.names import ModelName
from modelyard.core.tags import Tags, tags_to_match

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace
    from modelyard.flavors.flavor import Predictor
    from modelyard.profiles.profile import Profile
    from modelyard.profiles.signature import Signature


class Model(Entry):
    """An immutable version of a model.

    ``Model(workspace, name)`` gets the newest version; ``version=``, ``label=`` or ``alias=`` choose another. With ``tags``
    alone it gets the newest version that matches them; together with a version, a filter that does not match raises
    FilterMismatch. ``name`` may also be a whole reference, such as ``"fraud@production"``.
    """

    kind = "model"

    @staticmethod
    def register(
        workspace: Workspace | None = None,
        model_path: str | Path = "",
        model_name: str = "",
        tags: Tags | None = None,
        properties: Tags | None = None,
        description: str | None = None,
        *,
        label: str | None = None,
        metrics: Mapping[str, float] | None = None,
        datasets: Inputs = (),
        signature: Signature | None = None,
        reference_data: Any = None,
        time_column: str | None = None,
    ) -> Model:
        """Keeps the file or folder at ``model_path`` as the next version of ``model_name``; see :meth:`Workspace.register`."""
        from modelyard.client.workspace import Workspace as WorkspaceClass

        return (workspace or WorkspaceClass()).register(
            model_name,
            model_path,
            label=label,
            tags=tags,
            properties=properties,
            metrics=metrics,
            description=description,
            datasets=datasets,
            signature=signature,
            reference_data=reference_data,
            time_column=time_column,
        )

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Tags | None = None,
        properties: Tags | None = None,
        latest: bool = False,
    ) -> list[Model]:
        """Versions that match all conditions, newest first; with ``latest`` only the newest match of each model."""
        rows = workspace.registry.versions(
            "model",
            name=None if name is None else ModelName(name),
            wanted=tags_to_match(tags),
            wanted_properties=tags_to_match(properties, "property"),
            latest=latest,
        )
        return [Model._of(workspace, row) for row in rows]

    @property
    def signature(self) -> Signature | None:
        """The columns that it takes and gives, or None when nobody said."""
        from modelyard.profiles.signature import Signature as SignatureValue

        document = self.manifest.facts.get("signature")
        return None if document is None else SignatureValue.from_json(document)

    @property
    def reference_profile(self) -> Profile | None:
        """The profile of the data that it was registered with, to compare live traffic with; or None."""
        from modelyard.profiles.profile import Profile as ProfileValue

        digest = self.manifest.facts.get("profile")
        if digest is None:
            return None
        return ProfileValue.from_json(json.loads(self.workspace.store.read(Digest(digest), "the reference profile")))

    def load(self, *, trust: bool | None = None) -> Any:
        """The live object, from verified bytes; for files of no known flavor, their path.

        A format that runs code when it is loaded (pickle) is loaded only when you registered it yourself, when your trust policy vouches for
        its author or for a key that signed it, or with ``trust=True``; without that, never when a scan calls it dangerous. Raises Untrusted,
        Dangerous, Unscanned, FlavorMissing, Damaged.
        """
        from modelyard.flavors import flavor_named

        self._require_trust(trust)
        facts = self.manifest.facts["flavor"]
        return flavor_named(self.flavor).load(self.path(), facts)

    def predictor(self, *, trust: bool | None = None) -> Predictor:
        """The live object behind the one interface that serving uses: columns in, columns out. Raises NotServable, and what :meth:`load` raises."""
        from modelyard.flavors import flavor_named

        self.require_servable(trust=trust)
        return flavor_named(self.flavor).predictor(self.load(trust=trust), self.manifest.facts["flavor"])

    def require_servable(self, *, trust: bool | None = None) -> None:
        """Raises what would keep :meth:`predictor` from working, as far as that is known without loading: NotServable, Untrusted."""
        from modelyard.flavors import format_of, predicts

        facts = self.manifest.facts["flavor"]
        if not predicts(self.flavor, facts):
            raise NotServable(reference=self.reference, format=f"{format_of(self.flavor, facts)} ({self.files[0]})")
        self._require_trust(trust)

    def _require_trust(self, trust: bool | None) -> None:
        from modelyard.client.trust import require_loadable

        require_loadable(self, trust)

    def to_json(self) -> dict[str, Any]:
        signature = self.signature
        return {**super().to_json(), "signature": None if signature is None else signature.to_json()}
