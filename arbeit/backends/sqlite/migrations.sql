-- migration: 1
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE heads (
    project TEXT PRIMARY KEY, position INTEGER NOT NULL, hash TEXT NOT NULL,
    virtual_time INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE projects (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, weight INTEGER NOT NULL,
    settings TEXT, archived_at INTEGER
) WITHOUT ROWID;

CREATE TABLE queues (
    project TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL, weight INTEGER NOT NULL,
    paused INTEGER NOT NULL, max_ready INTEGER, max_in_progress INTEGER, tag INTEGER NOT NULL,
    remainder INTEGER NOT NULL, ready INTEGER NOT NULL, in_progress INTEGER NOT NULL,
    touched INTEGER NOT NULL, PRIMARY KEY (project, name)
) WITHOUT ROWID;
CREATE INDEX queues_touched ON queues (project, touched);

CREATE TABLE groups (
    project TEXT NOT NULL, queue TEXT NOT NULL, requires TEXT NOT NULL, ready INTEGER NOT NULL,
    touched INTEGER NOT NULL, PRIMARY KEY (project, queue, requires)
) WITHOUT ROWID;
CREATE INDEX groups_touched ON groups (project, touched);

CREATE TABLE agents (
    project TEXT NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, name TEXT NOT NULL,
    persona TEXT NOT NULL, capabilities TEXT, max_leases INTEGER, metadata TEXT,
    active_leases INTEGER NOT NULL, last_seen_at INTEGER, PRIMARY KEY (project, id)
) WITHOUT ROWID;

-- seq is the order of arrival: what lists are sorted and paged by.
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY, project TEXT NOT NULL,
    id TEXT NOT NULL, title TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    intent TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, priority TEXT NOT NULL, labels TEXT,
    queue TEXT NOT NULL, requires TEXT NOT NULL, parent_id TEXT, depth INTEGER NOT NULL, assignee TEXT,
    claim_status TEXT NOT NULL, lease_id TEXT, fence INTEGER NOT NULL, attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL, rank INTEGER, rank_position INTEGER NOT NULL, ready_at INTEGER NOT NULL,
    due_at INTEGER, block_reason TEXT NOT NULL, blocked_by TEXT, open_blockers INTEGER NOT NULL,
    open_children INTEGER NOT NULL, open_items INTEGER NOT NULL, relationships INTEGER NOT NULL,
    inputs TEXT, outputs TEXT, acceptance TEXT, metadata TEXT, created_by TEXT NOT NULL,
    started_at INTEGER, finished_at INTEGER, version INTEGER NOT NULL
);
CREATE UNIQUE INDEX tasks_id ON tasks (project, id);
CREATE INDEX tasks_ready ON tasks (project, queue, requires, rank, rank_position, id) WHERE claim_status = 'ready';
CREATE INDEX tasks_delayed ON tasks (ready_at, project) WHERE claim_status = 'delayed';
CREATE INDEX tasks_status ON tasks (project, status, seq);
CREATE INDEX tasks_assignee ON tasks (project, assignee, seq) WHERE assignee IS NOT NULL;
CREATE INDEX tasks_parent ON tasks (project, parent_id, seq) WHERE parent_id IS NOT NULL;

CREATE TABLE leases (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, agent_id TEXT NOT NULL, run_id TEXT NOT NULL,
    fence INTEGER NOT NULL, ttl INTEGER NOT NULL, acquired_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL, preempt_requested INTEGER NOT NULL, ended_at INTEGER, end_reason TEXT NOT NULL,
    PRIMARY KEY (project, id)
) WITHOUT ROWID;
CREATE INDEX leases_live ON leases (expires_at, project) WHERE ended_at IS NULL;

CREATE TABLE runs (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, agent_id TEXT NOT NULL, lease_id TEXT NOT NULL,
    attempt INTEGER NOT NULL, started_at INTEGER NOT NULL, session_id TEXT NOT NULL, trace_id TEXT NOT NULL,
    ended_at INTEGER, result TEXT, note TEXT NOT NULL, usage TEXT, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX runs_id ON runs (project, id);
CREATE INDEX runs_task ON runs (project, task_id, seq);

CREATE TABLE relationships (
    project TEXT NOT NULL, id TEXT NOT NULL, from_task_id TEXT NOT NULL, to_task_id TEXT NOT NULL,
    type TEXT NOT NULL, created_at INTEGER NOT NULL, metadata TEXT, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX relationships_id ON relationships (project, id);
CREATE INDEX relationships_from ON relationships (project, from_task_id, seq);
CREATE INDEX relationships_to ON relationships (project, to_task_id, seq);

CREATE TABLE entries (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, type TEXT NOT NULL, content TEXT NOT NULL,
    author TEXT NOT NULL, created_at INTEGER NOT NULL, run_id TEXT, metadata TEXT, evidence TEXT,
    superseded_by TEXT, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX entries_id ON entries (project, id);
CREATE INDEX entries_task ON entries (project, task_id, seq);

CREATE TABLE items (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, content TEXT NOT NULL,
    position INTEGER NOT NULL, created_at INTEGER NOT NULL, completed INTEGER NOT NULL,
    completed_at INTEGER, completed_by TEXT, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX items_id ON items (project, id);
CREATE INDEX items_task ON items (project, task_id, seq);

CREATE TABLE events (
    project TEXT NOT NULL, position INTEGER NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL,
    at INTEGER NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL, data_hash TEXT NOT NULL,
    prev_hash TEXT NOT NULL, hash TEXT NOT NULL, task_id TEXT, task_version INTEGER, run_id TEXT,
    correlation_id TEXT, causation_id TEXT, idempotency_key TEXT, traceparent TEXT,
    PRIMARY KEY (project, position)
) WITHOUT ROWID;
CREATE INDEX events_task ON events (project, task_id, position) WHERE task_id IS NOT NULL;

CREATE TABLE receipts (
    project TEXT NOT NULL, actor TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    fingerprint TEXT NOT NULL, reply TEXT NOT NULL, at INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (project, actor, operation, key)
) WITHOUT ROWID;
CREATE INDEX receipts_at ON receipts (project, at);

-- migration: 2
-- What is derived from older events (see upgrade.py) is filled in once these columns are there.
ALTER TABLE tasks ADD COLUMN review INTEGER;
ALTER TABLE tasks ADD COLUMN submitted_by TEXT;
ALTER TABLE tasks ADD COLUMN max_runtime INTEGER;
ALTER TABLE tasks ADD COLUMN artifacts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN escalated_at INTEGER;
ALTER TABLE tasks ADD COLUMN deleted_at INTEGER;
ALTER TABLE tasks ADD COLUMN trace TEXT NOT NULL DEFAULT '';
-- The name of the group that a task counts in now: what it requires, or for one to be reviewed, what a reviewer needs.
ALTER TABLE tasks ADD COLUMN claim_group TEXT NOT NULL DEFAULT '';
UPDATE tasks SET claim_group = requires;
DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (project, queue, claim_group, rank, rank_position, id) WHERE claim_status = 'ready';
CREATE INDEX tasks_urgent ON tasks (project, ready_at, id)
    WHERE claim_status = 'ready' AND priority = 'critical' AND deleted_at IS NULL;
CREATE INDEX tasks_seq ON tasks (project, seq);
CREATE INDEX tasks_priority ON tasks (project, priority, seq);
CREATE INDEX tasks_due ON tasks (project, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_escalated ON tasks (project, seq) WHERE escalated_at IS NOT NULL;
CREATE INDEX entries_decisions ON entries (project, seq) WHERE type = 'decision';
ALTER TABLE leases ADD COLUMN ends_by INTEGER;
ALTER TABLE leases ADD COLUMN accepted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN waited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN handed TEXT;

CREATE TABLE sessions (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, session_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX sessions_id ON sessions (project, id);
CREATE INDEX sessions_task ON sessions (project, task_id, seq);

CREATE TABLE files (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, path TEXT NOT NULL, operation TEXT NOT NULL,
    created_at INTEGER NOT NULL, session_id TEXT NOT NULL, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX files_id ON files (project, id);
CREATE INDEX files_task ON files (project, task_id, seq);
CREATE INDEX files_path ON files (project, path);

CREATE TABLE artifacts (
    project TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, uri TEXT NOT NULL, fence INTEGER NOT NULL,
    created_at INTEGER NOT NULL, run_id TEXT, seq INTEGER PRIMARY KEY
);
CREATE UNIQUE INDEX artifacts_id ON artifacts (project, id);
CREATE INDEX artifacts_task ON artifacts (project, task_id, seq);

CREATE TABLE secrets (
    project TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, provider TEXT NOT NULL, path TEXT NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (project, name)
) WITHOUT ROWID;

-- migration: 3
-- Up to which position a log is being put back, if it is.
ALTER TABLE projects ADD COLUMN restoring INTEGER;

-- migration: 4
-- Lists of one status by priority: what is critical is rare, and was sought among all that has the status.
CREATE INDEX tasks_status_priority ON tasks (project, status, priority, seq);

-- migration: 5
-- Who does what only one process should, in its how-manieth term, until when.
CREATE TABLE leaders (
    role TEXT PRIMARY KEY, holder TEXT NOT NULL, term INTEGER NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;

-- Up to which position each sink of events has each project.
CREATE TABLE offsets (
    sink TEXT NOT NULL, project TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (sink, project)
) WITHOUT ROWID;

-- migration: 6
-- Vectors of texts, by the model that made them, and how far each model follows a project's log.
CREATE TABLE vector_indexes (
    project TEXT NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL, position INTEGER NOT NULL,
    revision INTEGER NOT NULL, PRIMARY KEY (project, model)
) WITHOUT ROWID;

-- With rowids: a vector is too large for a table that is all index, and lies in one page of this one.
CREATE TABLE vectors (
    project TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, task_id TEXT NOT NULL,
    digest TEXT NOT NULL, vector BLOB NOT NULL
);
CREATE UNIQUE INDEX vectors_id ON vectors (project, model, kind, id);
CREATE INDEX vectors_task ON vectors (project, task_id);
