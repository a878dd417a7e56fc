-- Every text that is compared or sorted is COLLATE "C": the order of bytes, as in the core and in every other store.
-- Each table is keyed by project first and refers to no other, so that any of them can be partitioned by project.

-- migration: 1
CREATE TABLE {schema}.meta (name text PRIMARY KEY, value text NOT NULL);

-- Outside of row level security, and telling no more than that a project is there: what is locked, what is polled.
CREATE TABLE {schema}.heads (
    project text COLLATE "C" PRIMARY KEY, position bigint NOT NULL, hash text NOT NULL,
    virtual_time bigint NOT NULL, at bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Not later than a project's next deadline; what lies in the past is set right under the project's lock.
CREATE TABLE {schema}.dues (
    project text COLLATE "C" PRIMARY KEY, at bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX dues_at ON {schema}.dues (at, project);

CREATE TABLE {schema}.leaders (
    role text PRIMARY KEY, holder text NOT NULL, term bigint NOT NULL, until bigint NOT NULL
) WITH (fillfactor = 10);
CREATE TABLE {schema}.offsets (
    sink text NOT NULL, project text COLLATE "C" NOT NULL, position bigint NOT NULL, PRIMARY KEY (sink, project)
) WITH (fillfactor = 50);

CREATE TABLE {schema}.projects (
    key text COLLATE "C" PRIMARY KEY, name text NOT NULL, created_at bigint NOT NULL, weight bigint NOT NULL,
    settings json, archived_at bigint, restoring bigint
);

CREATE TABLE {schema}.queues (
    project text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, created_at bigint NOT NULL,
    weight bigint NOT NULL, paused boolean NOT NULL, max_ready bigint, max_in_progress bigint, tag bigint NOT NULL,
    remainder bigint NOT NULL, ready bigint NOT NULL, in_progress bigint NOT NULL, touched bigint NOT NULL,
    PRIMARY KEY (project, name)
) WITH (fillfactor = 50);
CREATE INDEX queues_touched ON {schema}.queues (project, touched);

CREATE TABLE {schema}.groups (
    project text COLLATE "C" NOT NULL, queue text COLLATE "C" NOT NULL, requires text COLLATE "C" NOT NULL,
    ready bigint NOT NULL, touched bigint NOT NULL, PRIMARY KEY (project, queue, requires)
) WITH (fillfactor = 50);
CREATE INDEX groups_touched ON {schema}.groups (project, touched);

CREATE TABLE {schema}.agents (
    project text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, created_at bigint NOT NULL, name text NOT NULL,
    persona text NOT NULL, capabilities json, max_leases bigint, metadata json, active_leases bigint NOT NULL,
    last_seen_at bigint, handed json, PRIMARY KEY (project, id)
) WITH (fillfactor = 70);

-- seq is the order of arrival in its project: what lists are sorted and paged by.
CREATE TABLE {schema}.tasks (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL, title text NOT NULL,
    created_at bigint NOT NULL, updated_at bigint NOT NULL, intent text NOT NULL, description text NOT NULL,
    status text COLLATE "C" NOT NULL, priority text COLLATE "C" NOT NULL, labels json,
    queue text COLLATE "C" NOT NULL, requires text COLLATE "C" NOT NULL, parent_id text COLLATE "C",
    depth bigint NOT NULL, assignee text COLLATE "C", claim_status text COLLATE "C" NOT NULL,
    lease_id text COLLATE "C", fence bigint NOT NULL, attempt bigint NOT NULL, max_attempts bigint NOT NULL,
    rank bigint, rank_position bigint NOT NULL, ready_at bigint NOT NULL, due_at bigint, block_reason text NOT NULL,
    blocked_by json, open_blockers bigint NOT NULL, open_children bigint NOT NULL, open_items bigint NOT NULL,
    relationships bigint NOT NULL, inputs json, outputs json, acceptance json, metadata json,
    created_by text COLLATE "C" NOT NULL, started_at bigint, finished_at bigint, version bigint NOT NULL,
    review boolean, submitted_by text COLLATE "C", max_runtime bigint, artifacts bigint NOT NULL,
    unread bigint NOT NULL, escalated_at bigint, deleted_at bigint, trace text NOT NULL,
    claim_group text COLLATE "C" NOT NULL, PRIMARY KEY (project, id)
) WITH (fillfactor = 85);
CREATE INDEX tasks_seq ON {schema}.tasks (project, seq);
CREATE INDEX tasks_ready ON {schema}.tasks (project, queue, claim_group, rank, rank_position, id)
    WHERE claim_status = 'ready';
CREATE INDEX tasks_delayed ON {schema}.tasks (project, ready_at, id) WHERE claim_status = 'delayed';
CREATE INDEX tasks_urgent ON {schema}.tasks (project, ready_at, id)
    WHERE claim_status = 'ready' AND priority = 'critical' AND deleted_at IS NULL;
CREATE INDEX tasks_status ON {schema}.tasks (project, status, priority, seq);
CREATE INDEX tasks_assignee ON {schema}.tasks (project, assignee, seq) WHERE assignee IS NOT NULL;
CREATE INDEX tasks_parent ON {schema}.tasks (project, parent_id, seq) WHERE parent_id IS NOT NULL;
CREATE INDEX tasks_due ON {schema}.tasks (project, due_at, seq) WHERE due_at IS NOT NULL;

CREATE TABLE {schema}.leases (
    project text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, task_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL, run_id text COLLATE "C" NOT NULL, fence bigint NOT NULL, ttl bigint NOT NULL,
    acquired_at bigint NOT NULL, expires_at bigint NOT NULL, heartbeat_at bigint NOT NULL,
    preempt_requested boolean NOT NULL, ended_at bigint, end_reason text NOT NULL, ends_by bigint,
    accepted boolean NOT NULL, PRIMARY KEY (project, id)
) WITH (fillfactor = 70);
CREATE INDEX leases_live ON {schema}.leases (project, expires_at, id) WHERE ended_at IS NULL;

CREATE TABLE {schema}.runs (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, agent_id text COLLATE "C" NOT NULL, lease_id text NOT NULL,
    attempt bigint NOT NULL, started_at bigint NOT NULL, session_id text NOT NULL, trace_id text NOT NULL,
    ended_at bigint, result text, note text NOT NULL, usage json, waited bigint NOT NULL, PRIMARY KEY (project, id)
) WITH (fillfactor = 85);
CREATE INDEX runs_seq ON {schema}.runs (project, seq);
CREATE INDEX runs_task ON {schema}.runs (project, task_id, seq);

CREATE TABLE {schema}.relationships (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    from_task_id text COLLATE "C" NOT NULL, to_task_id text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL, metadata json, PRIMARY KEY (project, id)
);
CREATE INDEX relationships_from ON {schema}.relationships (project, from_task_id, seq);
CREATE INDEX relationships_to ON {schema}.relationships (project, to_task_id, seq);

CREATE TABLE {schema}.entries (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL, content text NOT NULL, author text NOT NULL,
    created_at bigint NOT NULL, run_id text, metadata json, evidence json, superseded_by text,
    PRIMARY KEY (project, id)
);
CREATE INDEX entries_task ON {schema}.entries (project, task_id, seq);
CREATE INDEX entries_seq ON {schema}.entries (project, seq);
CREATE INDEX entries_decisions ON {schema}.entries (project, seq) WHERE type = 'decision';

CREATE TABLE {schema}.items (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, content text NOT NULL, position bigint NOT NULL, created_at bigint NOT NULL,
    completed boolean NOT NULL, completed_at bigint, completed_by text, PRIMARY KEY (project, id)
);
CREATE INDEX items_task ON {schema}.items (project, task_id, seq);

CREATE TABLE {schema}.sessions (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, session_id text COLLATE "C" NOT NULL, created_at bigint NOT NULL,
    PRIMARY KEY (project, id)
);
CREATE INDEX sessions_task ON {schema}.sessions (project, task_id, seq);

CREATE TABLE {schema}.files (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, path text COLLATE "C" NOT NULL, operation text NOT NULL,
    created_at bigint NOT NULL, session_id text NOT NULL, PRIMARY KEY (project, id)
);
CREATE INDEX files_task ON {schema}.files (project, task_id, seq);
-- By a digest: a path may be longer than an entry of an index.
CREATE INDEX files_path ON {schema}.files (project, hashtextextended(path, 0));

CREATE TABLE {schema}.artifacts (
    project text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL, name text NOT NULL, media_type text NOT NULL, size bigint NOT NULL,
    sha256 text NOT NULL, uri text NOT NULL, fence bigint NOT NULL, created_at bigint NOT NULL, run_id text,
    PRIMARY KEY (project, id)
);
CREATE INDEX artifacts_task ON {schema}.artifacts (project, task_id, seq);
CREATE INDEX artifacts_uri ON {schema}.artifacts (uri);

CREATE TABLE {schema}.secrets (
    project text COLLATE "C" NOT NULL, id text NOT NULL, name text COLLATE "C" NOT NULL, provider text NOT NULL,
    path text NOT NULL, created_at bigint NOT NULL, PRIMARY KEY (project, name)
);

CREATE TABLE {schema}.events (
    project text COLLATE "C" NOT NULL, position bigint NOT NULL, type text NOT NULL, version bigint NOT NULL,
    at bigint NOT NULL, actor text NOT NULL, data text NOT NULL, data_hash text NOT NULL, prev_hash text NOT NULL,
    hash text NOT NULL, task_id text COLLATE "C", task_version bigint, run_id text, correlation_id text,
    causation_id text, idempotency_key text, traceparent text, PRIMARY KEY (project, position)
);
CREATE INDEX events_task ON {schema}.events (project, task_id, position) WHERE task_id IS NOT NULL;

CREATE TABLE {schema}.receipts (
    project text COLLATE "C" NOT NULL, actor text COLLATE "C" NOT NULL, operation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, fingerprint text NOT NULL, reply text NOT NULL, at bigint NOT NULL,
    position bigint NOT NULL, PRIMARY KEY (project, actor, operation, key)
);
CREATE INDEX receipts_at ON {schema}.receipts (project, at);

-- The words of what is searched, by kind and seq: beside the rows, whose status changes far more often than their text.
-- One lexeme of each vector is the project's own, so that a search stays among its project's.
CREATE TABLE {schema}.texts (
    project text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, seq bigint NOT NULL, words tsvector NOT NULL,
    PRIMARY KEY (project, kind, seq)
);
CREATE INDEX texts_words ON {schema}.texts USING gin (words);

-- What concerns all projects goes through these doors alone.
CREATE FUNCTION {schema}.all_projects() RETURNS SETOF {schema}.projects
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT * FROM {schema}.projects ORDER BY key $$;
CREATE FUNCTION {schema}.uses_blob(uri text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT EXISTS (SELECT FROM {schema}.artifacts WHERE artifacts.uri = uses_blob.uri) $$;

-- Row level security asks its own question first, of every row, before an index of words may be used: so this door asks it.
CREATE FUNCTION {schema}.matching(wanted text, sought text, before bigint, most bigint) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog
    AS $$
        SELECT seq FROM {schema}.texts
        WHERE project = current_setting('arbeit.project', true) AND kind = wanted AND words @@ sought::tsquery
            AND seq < before
        ORDER BY seq DESC LIMIT most
    $$;

-- migration: 2
-- Vectors of texts, by the model that made them, and how far each model follows a project's log.
CREATE TABLE {schema}.vector_indexes (
    project text COLLATE "C" NOT NULL, model text COLLATE "C" NOT NULL, dimensions bigint NOT NULL,
    position bigint NOT NULL, revision bigint NOT NULL, PRIMARY KEY (project, model)
);
CREATE TABLE {schema}.vectors (
    project text COLLATE "C" NOT NULL, model text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL, task_id text COLLATE "C" NOT NULL, digest text NOT NULL, vector bytea NOT NULL,
    PRIMARY KEY (project, model, kind, id)
);
CREATE INDEX vectors_task ON {schema}.vectors (project, task_id);
