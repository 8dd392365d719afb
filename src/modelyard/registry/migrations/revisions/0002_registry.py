"""States, model tags, metrics with step and data set, policies, approvals, reports, webhooks, and a ledger that keeps rows of other yards."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from modelyard.registry.labels import order

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
HEAD_LENGTH = 120

metadata = sa.MetaData()
models = sa.Table("models", metadata, sa.Column("id", ID, primary_key=True))
LABELLED = sa.text("label IS NOT NULL")
GONE = sa.text("state != 'active'")

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("label", sa.String(128)),
    sa.Column("label_order", sa.String(700)),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("provenance", sa.String(80)),
    sa.Column("lineage", sa.Text),
    sa.Column("flavor", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("card", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.String(16), nullable=False, server_default="active"),
    sa.Column("state_time", sa.BigInteger),
    sa.Column("created_time", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.UniqueConstraint("model_id", "number"),
    sa.Index("versions_label", "model_id", "label", unique=True, sqlite_where=LABELLED, postgresql_where=LABELLED),
    sa.Index("versions_digest", "digest"),
    sa.Index("versions_created", "created_time"),
    sa.Index("versions_gone", "state", "state_time", sqlite_where=GONE, postgresql_where=GONE),
)

inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("version_id", sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("role", sa.String(64), primary_key=True),
    sa.Column("input_version_id", sa.ForeignKey("versions.id"), primary_key=True, index=True),
)

model_tags = sa.Table(
    "model_tags",
    metadata,
    sa.Column("model_id", sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("head", sa.String(HEAD_LENGTH), nullable=False),
    sa.Index("model_tags_value", "key", "head", "model_id"),
    sqlite_with_rowid=False,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("version_id", sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("head", sa.String(HEAD_LENGTH), nullable=False),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Index("tags_value", "key", "head", "version_id"),
    sa.Index("tags_of_model", "model_id", "key", "head", "number", "version_id"),
    sqlite_with_rowid=False,
)

properties = sa.Table(
    "properties",
    metadata,
    sa.Column("version_id", sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("head", sa.String(HEAD_LENGTH), nullable=False),
    sa.Index("properties_value", "key", "head", "version_id"),
    sqlite_with_rowid=False,
)

metrics = sa.Table(
    "metrics",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("version_id", sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False),
    sa.Column("key", sa.String(250), nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("step", sa.BigInteger),
    sa.Column("dataset", sa.String(400)),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("current", sa.Integer, nullable=False),
    sa.Index("metrics_version", "version_id", "key", "id"),
    sa.Index("metrics_value", "key", "value", "version_id", sqlite_where=sa.text("current = 1"), postgresql_where=sa.text("current = 1")),
    sa.Index("metrics_of_model", "model_id", "key", "value", "version_id", sqlite_where=sa.text("current = 1"), postgresql_where=sa.text("current = 1")),
)  # fmt: skip

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("version_id", sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("tool", sa.String(128), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("document", sa.String(80)),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Index("reports_version", "version_id", "kind", "id"),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("workspace", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("alias", sa.String(100), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("set_time", sa.BigInteger, nullable=False),
    sa.Column("set_by", sa.String(255), nullable=False),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("alias", sa.String(100), nullable=False),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger),
    sa.Column("withdrawn", sa.BigInteger),
    sa.Index("approvals_version", "model_id", "number", "alias"),
)

FOREIGN = sa.text("origin_yard IS NOT NULL")

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("sequence", ID, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("workspace", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("subject", sa.String(400), nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("origin_yard", sa.String(64)),
    sa.Column("origin_sequence", sa.BigInteger),
    sa.Column("origin", sa.Text),
    sa.Column("happened", sa.BigInteger, nullable=False),
    sa.Index("ledger_subject", "workspace", "kind", "subject", "sequence"),
    sa.Index("ledger_name", "workspace", "kind", "name", "sequence"),
    sa.Index("ledger_action", "action", "sequence"),
    sa.Index("ledger_origin", "origin_yard", "origin_sequence", unique=True, sqlite_where=FOREIGN, postgresql_where=FOREIGN),
)  # fmt: skip

heads = sa.Table(
    "heads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
)

yards = sa.Table(
    "yards",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("store", sa.Text, nullable=False),
    sa.Column("created_time", sa.BigInteger, nullable=False),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("workspace", sa.String(255), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("filter", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("lease_holder", sa.String(64)),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("created_time", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.UniqueConstraint("workspace", "name"),
)

WAITING = sa.text("state IN ('pending', 'held')")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("webhook_id", sa.ForeignKey("webhooks.id"), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("subject", sa.String(700), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_time", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Column("delivered_time", sa.BigInteger),
    sa.Index("deliveries_due", "webhook_id", "state", "next_time"),
    sa.Index("deliveries_line", "webhook_id", "subject", "sequence", sqlite_where=WAITING, postgresql_where=WAITING),
)  # fmt: skip

_NEW = (model_tags, reports, policies, approvals, heads, yards, webhooks, deliveries)
_ANEW = {
    "tags": tags,
    "properties": properties,
    "metrics": metrics,
    "inputs": inputs,
    "versions": versions,
    "ledger": ledger,
}
_INDEXES = (
    "tags_key_value",
    "ix_metrics_version_id",
    "ix_inputs_input_version_id",
    "versions_digest",
    "ledger_subject",
    "ledger_name",
)


def upgrade() -> None:
    """The first schema was SQLite's alone, so this is written for SQLite."""
    op.add_column("models", sa.Column("card", sa.Text, nullable=False, server_default=""))
    op.add_column("models", sa.Column("state", sa.String(16), nullable=False, server_default="active"))
    op.add_column("models", sa.Column("state_time", sa.BigInteger))
    op.create_index("aliases_number", "aliases", ["model_id", "number"])
    for name in _INDEXES:
        op.drop_index(name)
    for name in _ANEW:
        op.rename_table(name, f"{name}_1")
    metadata.create_all(op.get_bind(), tables=[*_NEW, *_ANEW.values()])
    _versions()
    op.execute("INSERT INTO inputs SELECT version_id, role, input_version_id FROM inputs_1")
    op.execute(
        "INSERT INTO tags SELECT t.version_id, t.key, t.value, substr(t.value, 1, 120), v.model_id, v.number "
        "FROM tags_1 t JOIN versions v ON v.id = t.version_id"
    )
    op.execute("INSERT INTO properties SELECT version_id, key, value, substr(value, 1, 120) FROM properties_1")
    op.execute(
        "INSERT INTO metrics SELECT m.id, m.version_id, v.model_id, m.key, m.value, NULL, NULL, m.time, "
        "NOT EXISTS (SELECT 1 FROM metrics_1 n WHERE n.version_id = m.version_id AND n.key = m.key AND n.id > m.id) "
        "FROM metrics_1 m JOIN versions v ON v.id = m.version_id"
    )
    _ledger()
    _policies()
    _labels()
    for name in (*(f"{name}_1" for name in _ANEW), "gates"):
        op.drop_table(name)


def _versions() -> None:
    same = [c.name for c in versions.columns if c.name not in ("label_order", "lineage", "card", "state", "state_time")]
    old = sa.table("versions_1", *(sa.column(name) for name in (*same, "archived")))
    state = sa.case((old.c.archived != 0, "archived"), else_="active")
    since = sa.case((old.c.archived != 0, old.c.created_time))
    kept = sa.select(*(old.c[name] for name in same), state, since)
    op.execute(sa.insert(versions).from_select([*same, "state", "state_time"], kept))


def _ledger() -> None:
    """The same rows with the same hashes; documents as canonical text, and the head beside them."""
    connection = op.get_bind()
    old = sa.table("ledger_1", *(sa.column(name) for name in _LEDGER))
    head = (0, "0" * 64, 0)
    found = connection.execute(sa.select(*old.columns).order_by(old.c.sequence)).mappings()
    for batch in found.partitions(1000):
        rows = [
            {
                **row,
                "happened": row["time"],
                **{name: _canonical(row[name]) for name in ("before", "after", "evidence")},
            }
            for row in batch
        ]
        connection.execute(sa.insert(ledger), rows)
        head = (rows[-1]["sequence"], rows[-1]["hash"], rows[-1]["time"])
    connection.execute(sa.insert(heads).values(id=1, sequence=head[0], hash=head[1], time=head[2]))


_LEDGER = (
    "sequence", "time", "actor", "action", "workspace", "kind", "name", "subject", "before", "after", "reason", "evidence", "previous", "hash",
)  # fmt: skip


def _canonical(document: str | None) -> str | None:
    value = None if document is None else json.loads(document)
    if value is None:
        return None
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _policies() -> None:
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT m.workspace, m.kind, m.name, g.alias, g.expressions FROM gates g JOIN models m ON m.id = g.model_id"
        )
    ).all()
    for row in rows:
        wanted = (row.workspace, f"{row.name}@{row.alias}")
        last = connection.execute(
            sa.text(
                "SELECT time, actor FROM ledger WHERE workspace = :w AND subject = :s AND action = 'gates.set' "
                "ORDER BY sequence DESC LIMIT 1"
            ),
            {"w": wanted[0], "s": wanted[1]},
        ).first()
        connection.execute(
            sa.insert(policies).values(
                workspace=row.workspace,
                kind=row.kind,
                name=row.name,
                alias=row.alias,
                document=_canonical(json.dumps({"gates": json.loads(row.expressions)})),
                set_time=last.time if last else 0,
                set_by=last.actor if last else "",
            )
        )


def _labels() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, label FROM versions WHERE label IS NOT NULL")).all():
        connection.execute(
            sa.text("UPDATE versions SET label_order = :o WHERE id = :i"), {"o": order(row.label), "i": row.id}
        )
