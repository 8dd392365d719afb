"""The schema of the first yards, from before revisions were written down."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None

metadata = MetaData()

# A bigint that SQLite still takes as its rowid.
_Id = BigInteger().with_variant(Integer, "sqlite")

models = Table(
    "models",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("kind", String(16), nullable=False),  # model | dataset
    Column("name", String(255), nullable=False),
    Column("next_number", Integer, nullable=False),  # the counter of version numbers; never goes back
    Column("description", Text, nullable=False, server_default=""),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False),
    UniqueConstraint("workspace", "kind", "name"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("label", String(128)),
    Column("digest", String(80), nullable=False),  # of the manifest: what the version is
    Column("provenance", String(80)),  # file digest of the provenance document: where it came from
    Column("flavor", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("archived", Integer, nullable=False, server_default="0"),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False),
    UniqueConstraint("model_id", "number"),
    UniqueConstraint("model_id", "label"),
    Index("versions_digest", "digest"),
)

tags = Table(
    "tags",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
    Index("tags_key_value", "key", "value"),
)

properties = Table(
    "properties",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False, index=True),
    Column("key", String(250), nullable=False),
    Column("value", Float, nullable=False),
    Column("time", BigInteger, nullable=False),
)

inputs = Table(  # the data sets that a version was made from
    "inputs",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("role", String(64), primary_key=True),
    Column("input_version_id", ForeignKey("versions.id"), primary_key=True, index=True),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model_id", ForeignKey("models.id"), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("moved_time", BigInteger, nullable=False),
    Column("moved_by", String(255), nullable=False),
)

gates = Table(
    "gates",
    metadata,
    Column("model_id", ForeignKey("models.id"), primary_key=True),
    Column("alias", String(100), primary_key=True),
    Column("expressions", JSON, nullable=False),  # list of text
)

ledger = Table(
    "ledger",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … without gaps
    Column("time", BigInteger, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),  # version.register, alias.move, rollout.step …
    Column("workspace", String(255), nullable=False),
    Column("kind", String(16), nullable=False),  # model | dataset | deployment
    Column("name", String(255), nullable=False),
    Column("subject", String(255), nullable=False),  # fraud/3, fraud@production, …
    Column("before", JSON),
    Column("after", JSON),
    Column("reason", Text, nullable=False),
    Column("evidence", JSON),
    Column("previous", String(64), nullable=False),  # hash of the row before
    Column("hash", String(64), nullable=False),
    Index("ledger_subject", "workspace", "kind", "subject", "sequence"),
    Index("ledger_name", "workspace", "kind", "name", "sequence"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("workspace", String(255), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("model", String(255), nullable=False),
    Column("alias", String(100), nullable=False),
    Column("target", String(32), nullable=False),  # local
    Column("state", String(16), nullable=False),  # running | stopped
    Column("config", JSON, nullable=False),  # host, port, rollout, analysis, monitor
    Column("lease_holder", String(64)),
    Column("lease_until", BigInteger),
    Column("created_time", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("deployment", String(255), nullable=False),
    Column("stable", Integer),  # version numbers
    Column("candidate", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("step", Integer, nullable=False),
    Column("weight", Float, nullable=False),  # share of traffic for the candidate, 0 to 1
    Column("steps", JSON, nullable=False),
    Column("revision", Integer, nullable=False),  # compare-and-set
    Column("reason", Text, nullable=False),
    Column("evidence", JSON, nullable=False),  # list of analyses
    Column("started_time", BigInteger, nullable=False),
    Column("step_time", BigInteger, nullable=False),
    Column("updated_time", BigInteger, nullable=False),
    Index("rollouts_deployment", "workspace", "deployment", "id"),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("deployment", String(255), nullable=False, index=True),
    Column("pid", Integer, nullable=False),
    Column("host", String(255), nullable=False),
    Column("url", String(255), nullable=False),
    Column("state", String(16), nullable=False),  # starting | ready | stopped | failed
    Column("stable", Integer),
    Column("stable_digest", String(80)),
    Column("candidate", Integer),
    Column("candidate_digest", String(80)),
    Column("weight", Float, nullable=False),
    Column("problem", Text, nullable=False, server_default=""),
    Column("started_time", BigInteger, nullable=False),
    Column("heartbeat", BigInteger, nullable=False),
)

windows = Table(  # one measured window of live traffic
    "windows",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("deployment", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),  # event time
    Column("end", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
    Column("results", JSON, nullable=False),  # drift scores, quality, errors, latency
    Column("measured_time", BigInteger, nullable=False),
    UniqueConstraint("workspace", "deployment", "version", "start"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("deployment", String(255), nullable=False, index=True),
    Column("rule", String(255), nullable=False),
    Column("subject", String(255), nullable=False),  # a feature, or a quality metric
    Column("state", String(16), nullable=False),  # pending | firing | resolved
    Column("value", Float),
    Column("threshold", Float),
    Column("since", BigInteger, nullable=False),  # event time of the first bad window
    Column("fired_time", BigInteger),
    Column("resolved_time", BigInteger),
    Column("evidence", JSON, nullable=False),
)

runs = Table(  # one stage of a pipeline run
    "runs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("run", String(64), nullable=False, index=True),
    Column("stage", String(64), nullable=False),
    Column("command", Text, nullable=False),
    Column("state", String(16), nullable=False),  # running | passed | failed | stopped
    Column("exit_code", Integer),
    Column("commit", String(64)),
    Column("log", Text, nullable=False),
    Column("started_time", BigInteger, nullable=False),
    Column("ended_time", BigInteger),
)


def upgrade() -> None:
    metadata.create_all(op.get_bind())
