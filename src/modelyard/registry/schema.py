"""The one SQL schema of a yard, in SQLAlchemy Core, for SQLite and PostgreSQL.

Times are integer microseconds since 1970 in UTC. Documents are canonical JSON text, so that both databases give back the very bytes that
went in. Text compares by its bytes in both (SQLite's own way; collation ``C`` in PostgreSQL). What brings an older database to this
schema is in :mod:`modelyard.registry.migrations`.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from modelyard.core.digests import canonical_json

metadata = MetaData()

HEAD_LENGTH = 120
"""So many characters of a tag's value are indexed; a PostgreSQL index takes no longer rows than some 2700 bytes."""

# A bigint that SQLite still takes as its rowid.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _text(length: int | None = None) -> TypeEngine[str]:
    """Text that compares by its bytes everywhere."""
    if length is None:
        return Text().with_variant(Text(collation="C"), "postgresql")
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Document(TypeDecorator[Any]):
    """Any JSON value, kept as canonical JSON text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


_Json = Document()
_LABELLED = text("label IS NOT NULL")
_FOREIGN = text("origin_yard IS NOT NULL")
WAITING = text("state IN ('pending', 'held')")  # word for word as a query has it, or no index is used

models = Table(
    "models",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("kind", _text(16), nullable=False),  # model | dataset
    Column("name", _text(255), nullable=False),
    Column("next_number", Integer, nullable=False),  # the counter of version numbers; never goes back
    Column("description", _text(), nullable=False, server_default=""),
    Column("card", _text(), nullable=False, server_default=""),  # Markdown
    Column("state", _text(16), nullable=False, server_default="active"),  # active | archived | deleted
    Column("state_time", BigInteger),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", _text(255), nullable=False),
    UniqueConstraint("workspace", "kind", "name"),
)

model_tags = Table(
    "model_tags",
    metadata,
    Column("model_id", ForeignKey("models.id"), primary_key=True),
    Column("key", _text(250), primary_key=True),
    Column("value", _text(), nullable=False),
    Column("head", _text(HEAD_LENGTH), nullable=False),  # the first characters of the value
    Index("model_tags_value", "key", "head", "model_id"),
    sqlite_with_rowid=False,
)

versions = Table(
    "versions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("label", _text(128)),
    Column("label_order", _text(700)),  # sorts as semver says, what is no semver before what is; see registry.labels
    Column("digest", _text(80), nullable=False),  # of the manifest: what the version is
    Column("provenance", _text(80)),  # file digest of the provenance document: where it came from
    Column("lineage", _Json),  # what of the provenance can be searched: git, build, command, environment
    Column("flavor", _text(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("description", _text(), nullable=False, server_default=""),
    Column("card", _text(), nullable=False, server_default=""),  # Markdown
    Column("state", _text(16), nullable=False, server_default="active"),  # see registry.lifecycle
    Column("state_time", BigInteger),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", _text(255), nullable=False),
    UniqueConstraint("model_id", "number"),
    Index("versions_label", "model_id", "label", unique=True, sqlite_where=_LABELLED, postgresql_where=_LABELLED),
    Index("versions_digest", "digest"),
    Index("versions_created", "created_time"),
    Index("versions_gone", "state", "state_time", sqlite_where=text("state != 'active'"), postgresql_where=text("state != 'active'")),
)  # fmt: skip

tags = Table(
    "tags",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("key", _text(250), primary_key=True),
    Column("value", _text(), nullable=False),
    Column("head", _text(HEAD_LENGTH), nullable=False),  # the first characters of the value
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("number", Integer, nullable=False),  # of the version, so that its model's versions with a tag come in their order
    Index("tags_value", "key", "head", "version_id"),
    Index("tags_of_model", "model_id", "key", "head", "number", "version_id"),
    sqlite_with_rowid=False,
)  # fmt: skip

properties = Table(
    "properties",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("key", _text(250), primary_key=True),
    Column("value", _text(), nullable=False),
    Column("head", _text(HEAD_LENGTH), nullable=False),
    Index("properties_value", "key", "head", "version_id"),
    sqlite_with_rowid=False,
)

metrics = Table(
    "metrics",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("key", _text(250), nullable=False),
    Column("value", Float, nullable=False),
    Column("step", BigInteger),
    Column("dataset", _text(400)),  # reference of the data set that it was measured on, as it was given
    Column("time", BigInteger, nullable=False),
    Column("current", Integer, nullable=False),  # 1 for the last value of its key, else 0
    Index("metrics_version", "version_id", "key", "id"),
    Index("metrics_value", "key", "value", "version_id", sqlite_where=text("current = 1"), postgresql_where=text("current = 1")),
    Index("metrics_of_model", "model_id", "key", "value", "version_id", sqlite_where=text("current = 1"), postgresql_where=text("current = 1")),
)  # fmt: skip

inputs = Table(  # the data sets and the base that a version was made from
    "inputs",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("role", _text(64), primary_key=True),
    Column("input_version_id", ForeignKey("versions.id"), primary_key=True, index=True),
)

reports = Table(  # what was found of a version after it was made: scans, signatures
    "reports",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("kind", _text(32), nullable=False),  # scan | signature
    Column("tool", _text(128), nullable=False),  # picklescan 1.0.5
    Column("summary", _Json, nullable=False),  # what gates see
    Column("document", _text(80)),  # file digest of the whole report in the store
    Column("time", BigInteger, nullable=False),
    Column("actor", _text(255), nullable=False),
    Index("reports_version", "version_id", "kind", "id"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model_id", ForeignKey("models.id"), primary_key=True),
    Column("name", _text(100), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("moved_time", BigInteger, nullable=False),
    Column("moved_by", _text(255), nullable=False),
    Index("aliases_number", "model_id", "number"),
)

policies = Table(  # the rules of a protected alias
    "policies",
    metadata,
    Column("workspace", _text(255), primary_key=True),
    Column("kind", _text(16), primary_key=True),
    Column("name", _text(255), primary_key=True),  # of the model; empty for all of them
    Column("alias", _text(100), primary_key=True),
    Column("document", _Json, nullable=False),  # see registry.policies
    Column("set_time", BigInteger, nullable=False),
    Column("set_by", _text(255), nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", _text(80), nullable=False),  # what was looked at; an approval is of these bytes
    Column("alias", _text(100), nullable=False),  # that it may become
    Column("decision", _text(16), nullable=False),  # approve | reject
    Column("reason", _text(), nullable=False),
    Column("actor", _text(255), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("withdrawn", BigInteger),
    Index("approvals_version", "model_id", "number", "alias"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("sequence", _Id, primary_key=True, autoincrement=False),  # 1, 2, 3 … without gaps
    Column("time", BigInteger, nullable=False),  # of the row; never goes back, so that it needs no index
    Column("actor", _text(255), nullable=False),
    Column("action", _text(64), nullable=False),  # version.register, alias.move, rollout.step …
    Column("workspace", _text(255), nullable=False),
    Column("kind", _text(16), nullable=False),  # model | dataset | deployment | webhook | yard
    Column("name", _text(255), nullable=False),
    Column("subject", _text(400), nullable=False),  # fraud/3, fraud@production, …
    Column("before", _Json),
    Column("after", _Json),
    Column("reason", _text(), nullable=False),
    Column("evidence", _Json),
    Column("previous", _text(64), nullable=False),  # hash of the row before
    Column("hash", _text(64), nullable=False),
    # Of a row that came from another yard: that yard's id, the sequence there, and the row's time, previous and hash there.
    Column("origin_yard", _text(64)),
    Column("origin_sequence", BigInteger),
    Column("origin", _Json),
    Column(
        "happened", BigInteger, nullable=False
    ),  # when the change was made: the time of the row where it was first written
    Index("ledger_subject", "workspace", "kind", "subject", "sequence"),
    Index("ledger_name", "workspace", "kind", "name", "sequence"),
    Index("ledger_action", "action", "sequence"),
    Index("ledger_origin", "origin_yard", "origin_sequence", unique=True, sqlite_where=_FOREIGN, postgresql_where=_FOREIGN),
)  # fmt: skip

heads = Table(  # the last row of the ledger: what a writer locks, and what tells that the last rows were removed
    "heads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("sequence", BigInteger, nullable=False),
    Column("hash", _text(64), nullable=False),
    Column("time", BigInteger, nullable=False),
)

yards = Table(  # what a yard without a folder of its own is: one row
    "yards",
    metadata,
    Column("id", _text(64), primary_key=True),
    Column("format", Integer, nullable=False),
    Column("store", _text(), nullable=False),
    Column("created_time", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", _text(64), primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("name", _text(100), nullable=False),
    Column("url", _text(), nullable=False),
    Column("secret", _text(), nullable=False),  # signs what is sent
    Column("filter", _text(), nullable=False),  # over ledger rows, in the language of search; empty for all
    Column("state", _text(16), nullable=False),  # active | paused
    Column("cursor", BigInteger, nullable=False),  # the last sequence that was put into deliveries
    Column("lease_holder", _text(64)),
    Column("lease_until", BigInteger),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", _text(255), nullable=False),
    UniqueConstraint("workspace", "name"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("webhook_id", ForeignKey("webhooks.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("subject", _text(700), nullable=False),  # kind and subject: what is delivered in order
    Column("state", _text(16), nullable=False),  # held (another of its subject is before it) | pending | delivered | failed
    Column("attempts", Integer, nullable=False),
    Column("next_time", BigInteger, nullable=False),
    Column("status", Integer),  # of the last answer
    Column("problem", _text(), nullable=False, server_default=""),
    Column("delivered_time", BigInteger),
    Index("deliveries_due", "webhook_id", "state", "next_time"),
    Index("deliveries_line", "webhook_id", "subject", "sequence", sqlite_where=WAITING, postgresql_where=WAITING),
)  # fmt: skip

deployments = Table(
    "deployments",
    metadata,
    Column("workspace", _text(255), primary_key=True),
    Column("name", _text(255), primary_key=True),
    Column("model", _text(255), nullable=False),
    Column("alias", _text(100), nullable=False),
    Column("target", _text(32), nullable=False),  # local
    Column("state", _text(16), nullable=False),  # running | stopped
    Column("config", _Json, nullable=False),  # host, port, rollout, analysis, monitor
    Column("lease_holder", _text(64)),
    Column("lease_until", BigInteger),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", _text(255), nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("deployment", _text(255), nullable=False),
    Column("stable", Integer),  # version numbers
    Column("candidate", Integer, nullable=False),
    Column("state", _text(32), nullable=False),
    Column("step", Integer, nullable=False),
    Column("weight", Float, nullable=False),  # share of traffic for the candidate, 0 to 1
    Column("steps", _Json, nullable=False),
    Column("revision", Integer, nullable=False),  # compare-and-set
    Column("reason", _text(), nullable=False),
    Column("evidence", _Json, nullable=False),  # list of analyses
    Column("started_time", BigInteger, nullable=False),
    Column("step_time", BigInteger, nullable=False),
    Column("updated_time", BigInteger, nullable=False),
    Index("rollouts_deployment", "workspace", "deployment", "id"),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", _text(64), primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("deployment", _text(255), nullable=False, index=True),
    Column("pid", Integer, nullable=False),
    Column("host", _text(255), nullable=False),
    Column("url", _text(255), nullable=False),
    Column("state", _text(16), nullable=False),  # starting | ready | stopped | failed
    Column("stable", Integer),
    Column("stable_digest", _text(80)),
    Column("candidate", Integer),
    Column("candidate_digest", _text(80)),
    Column("weight", Float, nullable=False),
    Column("problem", _text(), nullable=False, server_default=""),
    Column("started_time", BigInteger, nullable=False),
    Column("heartbeat", BigInteger, nullable=False),
)

windows = Table(  # one measured window of live traffic
    "windows",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("deployment", _text(255), nullable=False),
    Column("version", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),  # event time
    Column("end", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
    Column("results", _Json, nullable=False),  # drift scores, quality, errors, latency
    Column("measured_time", BigInteger, nullable=False),
    UniqueConstraint("workspace", "deployment", "version", "start"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("deployment", _text(255), nullable=False, index=True),
    Column("rule", _text(255), nullable=False),
    Column("subject", _text(255), nullable=False),  # a feature, or a quality metric
    Column("state", _text(16), nullable=False),  # pending | firing | resolved
    Column("value", Float),
    Column("threshold", Float),
    Column("since", BigInteger, nullable=False),  # event time of the first bad window
    Column("fired_time", BigInteger),
    Column("resolved_time", BigInteger),
    Column("evidence", _Json, nullable=False),
)

runs = Table(  # one stage of a pipeline run
    "runs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", _text(255), nullable=False),
    Column("run", _text(64), nullable=False, index=True),
    Column("stage", _text(64), nullable=False),
    Column("command", _text(), nullable=False),
    Column("state", _text(16), nullable=False),  # running | passed | failed | stopped
    Column("exit_code", Integer),
    Column("commit", _text(64)),
    Column("log", _text(), nullable=False),
    Column("started_time", BigInteger, nullable=False),
    Column("ended_time", BigInteger),
)
