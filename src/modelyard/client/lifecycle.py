"""What becomes of versions and of names: archived, restored, deleted, described."""

from __future__ import annotations

from modelyard.client.seat import Seat, kind_of
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, LabelName, ModelName
from modelyard.core.references import Alias, Latest, Number, Reference
from modelyard.core.tags import Tags, tags_to_write
from modelyard.registry import AliasMove
from modelyard.registry.versions import VersionRow


class Lifecycle(Seat):
    """The part of a workspace that changes what is said of a version, or whether it is there."""

    def archive(self, reference: str | Reference, *, reason: str = "", dataset: bool = False) -> None:
        """Takes a version out of use: it is no longer the latest, no alias may move to it; found by number and label all the same.

        Raises VersionInUse while something refers to it, StateConflict.
        """
        self.registry.change_state(self._named(reference, dataset), "archive", reason)

    def restore(self, reference: str | Reference, *, reason: str = "", dataset: bool = False) -> None:
        """Brings an archived or a deleted version back. Raises StateConflict for one whose bytes are gone."""
        self.registry.change_state(self._named(reference, dataset), "restore", reason)

    def delete(self, reference: str | Reference, *, reason: str = "", dataset: bool = False) -> None:
        """Deletes a version. Its number is never used again; it can be restored for 30 days, until a ``gc`` after that removes its bytes.

        Raises VersionInUse, naming the aliases, deployments and versions that refer to it.
        """
        self.registry.change_state(self._named(reference, dataset), "delete", reason)

    def archive_model(self, name: str, *, reason: str = "", dataset: bool = False) -> list[str]:
        """Archives all versions of a name, and the name; the references of those that changed. Raises VersionInUse."""
        return self._all(name, "archive", reason, dataset)

    def restore_model(self, name: str, *, reason: str = "", dataset: bool = False) -> list[str]:
        """Brings a name back, with the versions that were archived or deleted together with it."""
        return self._all(name, "restore", reason, dataset)

    def delete_model(self, name: str, *, reason: str = "", dataset: bool = False) -> list[str]:
        """Deletes a name with all its versions. If the name is used again, its numbers go on. Raises VersionInUse."""
        return self._all(name, "delete", reason, dataset)

    def remove_alias(
        self, reference: str | Reference, *, expected: int | str | None = None, reason: str = "", dataset: bool = False
    ) -> AliasMove:
        """Takes an alias (``"fraud@candidate"``) away; its history stays. Raises AliasNotFound, AliasMoved, PolicyRefused."""
        parsed = Reference.parse(reference)
        if not isinstance(parsed.selector, Alias):
            raise InvalidReference(reference=str(reference), problem="it names no alias")
        alias = AliasName(parsed.selector.value)
        expects = self._expected(expected)
        return self.registry.remove_alias(kind_of(dataset), parsed.name, alias, expected=expects, reason=reason)

    def label(self, reference: str | Reference, label: str, *, reason: str = "", dataset: bool = False) -> None:
        """Gives a version its label, once. Raises LabelTaken."""
        row = self.registry.version(kind_of(dataset), Reference.parse(reference))
        self.registry.set_label(row, LabelName(label), reason)

    def describe(
        self,
        reference: str | Reference,
        *,
        description: str | None = None,
        card: str | None = None,
        reason: str = "",
        dataset: bool = False,
    ) -> None:
        """Replaces the description of a version, its model card (Markdown), or both; of the model as a whole for a bare name."""
        parsed = Reference.parse(reference)
        if isinstance(parsed.selector, Latest):
            kind = kind_of(dataset)
            self.registry.describe_model(kind, parsed.name, description=description, card=card, reason=reason)
        else:
            row = self.registry.version(kind_of(dataset), parsed)
            self.registry.describe(row, description=description, card=card, reason=reason)

    def card(self, reference: str | Reference, *, dataset: bool = False) -> str:
        """The model card (Markdown) of a version, or of the model as a whole for a bare name."""
        parsed = Reference.parse(reference)
        if isinstance(parsed.selector, Latest):
            return self.registry.model_card(kind_of(dataset), parsed.name)
        return self.registry.card(self.registry.version(kind_of(dataset), parsed))

    def tag_model(
        self, name: str, tags: Tags | None = None, *, remove: tuple[str, ...] = (), dataset: bool = False
    ) -> dict[str, str]:
        """Sets and removes tags of a model as a whole; those that it has then."""
        wanted = {**dict.fromkeys(remove), **tags_to_write(tags)}
        return self.registry.tag_model(kind_of(dataset), ModelName(name), wanted)

    def _named(self, reference: str | Reference, dataset: bool) -> VersionRow:
        """The version, deleted ones too. Raises InvalidReference for a bare name: what is to go is said exactly."""
        parsed = Reference.parse(reference)
        if isinstance(parsed.selector, Latest):
            raise InvalidReference(
                reference=str(reference), problem="say which version, or mean all of them with --all"
            )
        if isinstance(parsed.selector, Number):
            return self.registry.any_version(kind_of(dataset), parsed.name, parsed.selector.value)
        return self.registry.version(kind_of(dataset), parsed)

    def _all(self, name: str, action: str, reason: str, dataset: bool) -> list[str]:
        changed = self.registry.change_model_state(kind_of(dataset), ModelName(name), action, reason)
        return [row.reference for row in changed]
