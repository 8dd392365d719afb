"""What a workspace does with aliases: moving them by their rules, and saying what one thinks of a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from modelyard.client.seat import Seat
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, ModelName
from modelyard.core.references import Alias, Reference
from modelyard.registry import AliasMove

if TYPE_CHECKING:
    from modelyard.client.policies import Policies
    from modelyard.registry.policies.decisions import Decision


class Aliases(Seat):
    """Aliases, their policies, and the approvals that these ask for."""

    def promote(
        self,
        reference: str | Reference,
        *,
        to: str,
        reason: str = "",
        expected: int | str | None = None,
        evidence: Mapping[str, Any] | None = None,
        break_glass: str | None = None,
    ) -> AliasMove:
        """Moves the alias ``to`` to a version, through its policies.

        ``expected`` is the version that the alias must be at now: a number, a reference, or 0 for "nowhere yet". ``break_glass`` says why it must
        move although something does not hold: for those whom its policies list, and kept as an action of its own. Raises PolicyRefused with all that
        does not hold (GateRefused when it is a gate), BreakGlassRefused, AliasMoved, and what :meth:`model` raises.
        """
        return self.registry.move_alias(
            "model",
            Reference.parse(reference),
            AliasName(to),
            expected=self._expected(expected),
            reason=reason,
            evidence=evidence,
            break_glass=break_glass,
        )

    def rollback(
        self,
        reference: str | Reference,
        *,
        to: int | None = None,
        reason: str = "",
        expected: int | str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> AliasMove:
        """Moves an alias (``"fraud@production"``) back to the version before, or to number ``to``. Gates and approvals do not hold it up when it was
        there before. Raises NoEarlierVersion, AliasMoved, PolicyRefused for one who may not move it, or gives no reason where one is required."""
        name, alias = _alias(reference)
        expects = self._expected(expected)
        return self.registry.roll_back_alias(
            "model", name, alias, to=to, expected=expects, reason=reason, evidence=evidence
        )

    def set_gates(self, name: str, alias: str, expressions: Iterable[str]) -> None:
        """Replaces the conditions that a version must meet before ``alias`` may move to it. Raises InvalidGate."""
        listed = [expressions] if isinstance(expressions, str) else list(expressions)
        self.registry.set_gates("model", ModelName(name), AliasName(alias), listed)

    def gates(self, name: str, alias: str) -> list[str]:
        """The conditions of an alias."""
        return self.registry.gates("model", ModelName(name), AliasName(alias))

    @property
    def policies(self) -> Policies:
        """The policies of aliases: setting them, explaining what they say, trying them out on the past."""
        from modelyard.client.policies import Policies

        return Policies(self)

    def approve(
        self, reference: str | Reference, *, for_alias: str, reason: str = "", expires: str | None = None
    ) -> Decision:
        """Keeps that you approve the bytes of a version for an alias; it counts until it ``expires`` (``"30d"``).

        Raises DecisionRefused for an approval that could not count, InvalidDuration, and what :meth:`model` raises.
        """
        from modelyard.client.policies import decide

        return decide(self, reference, for_alias, "approve", reason=reason, expires=expires)

    def reject(self, reference: str | Reference, *, for_alias: str, reason: str = "") -> Decision:
        """Keeps that you reject a version for an alias: it takes back your approval, and where approvals are asked for it holds the version up until
        you withdraw it or approve. Raises DecisionRefused, and what :meth:`model` raises."""
        from modelyard.client.policies import decide

        return decide(self, reference, for_alias, "reject", reason=reason)

    def withdraw(self, reference: str | Reference, *, for_alias: str, reason: str = "") -> list[Decision]:
        """Takes back what you have said of a version for an alias. Raises DecisionNotFound when that is nothing."""
        from modelyard.client.policies import withdraw

        return withdraw(self, reference, for_alias, reason=reason)

    def approvals(self, reference: str | Reference, *, for_alias: str | None = None) -> list[Decision]:
        """All approvals and rejections of a version, the oldest first, those that no longer count too."""
        from modelyard.client.policies import decisions

        return decisions(self, reference, for_alias)


def _alias(reference: str | Reference) -> tuple[ModelName, AliasName]:
    parsed = Reference.parse(reference)
    if not isinstance(parsed.selector, Alias):
        raise InvalidReference(reference=str(reference), problem="a rollback moves an alias")
    return parsed.name, parsed.selector.value
