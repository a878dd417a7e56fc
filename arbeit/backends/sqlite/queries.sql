-- Lists of ids and names come as one JSON array each (json_each), so that every statement has a fixed shape.
-- {queue}, {task} and so on stand for an entity's columns in the order of its fields (arbeit/columns.py).

-- name: head
SELECT position, hash, virtual_time, at FROM heads WHERE project = ?

-- name: save_head
INSERT INTO heads (project, position, hash, virtual_time, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (project) DO UPDATE SET position = excluded.position, hash = excluded.hash,
    virtual_time = excluded.virtual_time, at = excluded.at

-- name: project
SELECT {project} FROM projects WHERE key = ?

-- name: projects
SELECT {project} FROM projects ORDER BY key

-- name: queues_since
SELECT {queue} FROM queues WHERE project = ? AND touched > ?

-- name: groups_since
SELECT {group} FROM groups WHERE project = ? AND touched > ?

-- name: agents
SELECT {agent} FROM agents WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: tasks
SELECT {task} FROM tasks WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: leases
SELECT {lease} FROM leases WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: runs
SELECT {run} FROM runs WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: entries
SELECT {entry} FROM entries WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: items
SELECT {item} FROM items WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: items_of
SELECT {item} FROM items WHERE project = ? AND task_id IN (SELECT value FROM json_each(?)) ORDER BY seq

-- name: sessions_of
SELECT {session} FROM sessions WHERE project = ? AND task_id IN (SELECT value FROM json_each(?)) ORDER BY seq

-- name: files_of
SELECT {file} FROM files WHERE project = ? AND task_id IN (SELECT value FROM json_each(?)) ORDER BY seq

-- name: items
SELECT {item} FROM items WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: sessions
SELECT {session} FROM sessions WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: files
SELECT {file} FROM files WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: relationships
SELECT {relationship} FROM relationships WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: artifacts
SELECT {artifact} FROM artifacts WHERE project = ? AND id IN (SELECT value FROM json_each(?))

-- name: secrets
SELECT {secret} FROM secrets WHERE project = ? AND name IN (SELECT value FROM json_each(?))

-- name: urgent
SELECT {task} FROM tasks INDEXED BY tasks_urgent
WHERE project = ? AND claim_status = 'ready' AND priority = 'critical' AND deleted_at IS NULL
ORDER BY ready_at, id LIMIT ?

-- name: first_leases
SELECT id FROM leases WHERE project = ? AND ended_at IS NULL ORDER BY acquired_at, id LIMIT ?

-- name: ready_after
SELECT {task} FROM tasks INDEXED BY tasks_id
WHERE project = ? AND id > ? AND claim_status = 'ready' ORDER BY id LIMIT ?

-- name: events_of
SELECT {event} FROM events WHERE project = ? AND task_id IN (SELECT value FROM json_each(?)) ORDER BY position

-- name: about
SELECT {receipt} FROM receipts
WHERE project = ?1 AND EXISTS (SELECT 1 FROM json_each(?2) WHERE instr(receipts.reply, json_each.value))

-- name: receipts
SELECT actor, operation, key, fingerprint, reply, at, position FROM receipts
WHERE project = ?1 AND (actor, operation, key) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(?2))

-- name: relationships_from
SELECT {relationship} FROM relationships
WHERE project = ? AND from_task_id IN (SELECT value FROM json_each(?)) ORDER BY seq

-- name: relationships_to
SELECT {relationship} FROM relationships
WHERE project = ? AND to_task_id IN (SELECT value FROM json_each(?)) ORDER BY seq

-- name: relationships_of
SELECT {relationship} FROM relationships WHERE seq IN (
    SELECT seq FROM relationships WHERE project = ?1 AND from_task_id = ?2
    UNION SELECT seq FROM relationships WHERE project = ?1 AND to_task_id = ?2) ORDER BY seq

-- name: after
WITH RECURSIVE later (id) AS (
    SELECT value FROM json_each(?2)
    UNION
    SELECT edge.to_task_id FROM later JOIN relationships AS edge
        ON edge.project = ?1 AND edge.from_task_id = later.id AND edge.type = 'blocks'
    UNION
    SELECT edge.from_task_id FROM later JOIN relationships AS edge
        ON edge.project = ?1 AND edge.to_task_id = later.id AND edge.type = 'parent_of'
    LIMIT ?3
) SELECT id FROM later

-- name: below
WITH RECURSIVE under (id) AS (
    SELECT value FROM json_each(?2)
    UNION
    SELECT edge.to_task_id FROM under JOIN relationships AS edge
        ON edge.project = ?1 AND edge.from_task_id = under.id AND edge.type = 'parent_of'
) SELECT id FROM under

-- name: window
SELECT {task} FROM tasks WHERE project = ? AND queue = ? AND claim_group = ? AND claim_status = 'ready'
ORDER BY rank, rank_position, id LIMIT ?

-- name: overdue
SELECT expires_at, id FROM leases INDEXED BY leases_live
WHERE ended_at IS NULL AND expires_at <= ?2 AND project = ?1 ORDER BY expires_at, id LIMIT ?3

-- name: delayed
SELECT {task} FROM tasks INDEXED BY tasks_delayed
WHERE claim_status = 'delayed' AND ready_at <= ?2 AND project = ?1 ORDER BY ready_at, id LIMIT ?3

-- name: due
SELECT project, min(at) AS first FROM (
    SELECT project, expires_at AS at FROM leases INDEXED BY leases_live WHERE ended_at IS NULL AND expires_at <= ?1
    UNION ALL
    SELECT project, ready_at FROM tasks INDEXED BY tasks_delayed WHERE claim_status = 'delayed' AND ready_at <= ?1
) GROUP BY project ORDER BY first, project LIMIT ?2

-- name: delete_relationship
DELETE FROM relationships WHERE project = ? AND id = ?

-- name: save_event
INSERT INTO events (project, position, type, version, at, actor, data, data_hash, prev_hash, hash, task_id,
    task_version, run_id, correlation_id, causation_id, idempotency_key, traceparent)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: save_receipt
INSERT INTO receipts (project, actor, operation, key, fingerprint, reply, at, position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: erase
UPDATE events SET data = ? WHERE project = ? AND position = ?

-- name: reissue
UPDATE receipts SET reply = ? WHERE project = ? AND actor = ? AND operation = ? AND key = ?

-- name: forget_receipts
DELETE FROM receipts WHERE project = ? AND at < ?

-- name: save_beat
UPDATE leases SET expires_at = ?, heartbeat_at = coalesce(?, heartbeat_at) WHERE project = ? AND id = ?

-- name: history
SELECT {event} FROM events WHERE project = ? AND position > ? ORDER BY position LIMIT ?

-- name: history_of_task
SELECT {event} FROM events INDEXED BY events_task
WHERE project = ?1 AND position > ?2 AND task_id = ?4 ORDER BY position LIMIT ?3

-- name: history_in_scope
SELECT {event} FROM events WHERE project = ?1 AND position > ?2
    AND (?4 IS NULL OR task_id = ?4)
    AND (SELECT queue FROM tasks WHERE tasks.project = ?1 AND tasks.id = events.task_id)
        IN (SELECT value FROM json_each(?5))
ORDER BY position LIMIT ?3

-- name: entries_of
SELECT {entry} FROM entries WHERE project = ? AND task_id = ? ORDER BY seq

-- name: runs_of
SELECT {run} FROM runs WHERE project = ? AND task_id = ? ORDER BY seq

-- name: artifacts_of
SELECT {artifact} FROM artifacts WHERE project = ? AND task_id = ? ORDER BY seq

-- name: last_events_of
SELECT {event} FROM events INDEXED BY events_task
WHERE project = ? AND task_id = ? ORDER BY position DESC LIMIT ?

-- name: recent
SELECT {event} FROM events WHERE project = ? ORDER BY position DESC LIMIT ?

-- name: recent_in_scope
SELECT {event} FROM events WHERE project = ?1
    AND (SELECT queue FROM tasks WHERE tasks.project = ?1 AND tasks.id = events.task_id)
        IN (SELECT value FROM json_each(?3))
ORDER BY position DESC LIMIT ?2

-- name: open_groups
SELECT {group} FROM groups WHERE project = ? AND ready > 0

-- name: triggers
SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view')

-- name: has_index
SELECT 1 FROM sqlite_schema WHERE name = 'tasks_text'

-- name: live_leases
SELECT {lease} FROM leases WHERE project = ?1 AND ended_at IS NULL AND (?2 IS NULL OR
    (SELECT queue FROM tasks WHERE tasks.project = ?1 AND tasks.id = leases.task_id)
        IN (SELECT value FROM json_each(?2)))
ORDER BY id

-- name: agents_seen
SELECT agent_id, max(max(heartbeat_at, coalesce(ended_at, 0))) FROM leases WHERE project = ? GROUP BY agent_id

-- name: all_agents
SELECT {agent} FROM agents WHERE project = ? ORDER BY id

-- name: statuses
SELECT status, count(*) FROM tasks WHERE project = ?1 AND deleted_at IS NULL
    AND (?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
GROUP BY status ORDER BY status

-- name: all_tasks
SELECT {task} FROM tasks WHERE project = ?

-- name: all_leases
SELECT {lease} FROM leases WHERE project = ?

-- name: all_runs
SELECT {run} FROM runs WHERE project = ?

-- name: all_relationships
SELECT {relationship} FROM relationships WHERE project = ?

-- name: all_entries
SELECT {entry} FROM entries WHERE project = ?

-- name: all_items
SELECT {item} FROM items WHERE project = ?

-- name: all_sessions
SELECT {session} FROM sessions WHERE project = ?

-- name: all_files
SELECT {file} FROM files WHERE project = ?

-- name: uses_blob
SELECT 1 FROM artifacts WHERE uri = ? LIMIT 1

-- name: all_artifacts
SELECT {artifact} FROM artifacts WHERE project = ?

-- name: all_secrets
SELECT {secret} FROM secrets WHERE project = ?

-- name: meta
SELECT value FROM meta WHERE name = ?

-- name: save_meta
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING

-- name: set_meta
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: drop_meta
DELETE FROM meta WHERE name = ?

-- name: lead
INSERT INTO leaders (role, holder, term, until) VALUES (:role, :holder, 1, :until)
ON CONFLICT (role) DO UPDATE SET
    term = leaders.term + (leaders.holder <> excluded.holder), holder = excluded.holder, until = excluded.until
    WHERE leaders.holder = excluded.holder OR leaders.until <= :now

-- name: term
SELECT term, until FROM leaders WHERE role = ?

-- name: leads
SELECT 1 FROM leaders WHERE role = ? AND holder = ? AND term = ?

-- name: resign
UPDATE leaders SET holder = '', until = 0 WHERE role = ? AND holder = ? AND term = ?

-- name: behind
SELECT heads.project, coalesce(offsets.position, 0), heads.position
FROM heads LEFT JOIN offsets ON offsets.sink = ? AND offsets.project = heads.project
WHERE heads.position > coalesce(offsets.position, 0) ORDER BY heads.project

-- name: offsets
SELECT project, position FROM offsets WHERE sink = ?

-- name: save_offset
INSERT INTO offsets (sink, project, position) VALUES (?, ?, ?)
ON CONFLICT (sink, project) DO UPDATE SET position = max(position, excluded.position)
