-- Reads of callers. Lists of ids and names are arrays, so that every statement has a fixed shape.
-- {queue}, {task} and so on stand for an entity's columns in the order of its fields (arbeit/columns.py).

-- name: head
SELECT position, hash, virtual_time, at FROM {schema}.heads WHERE project = $1

-- name: pulse
SELECT coalesce(sum(position), 0)::bigint FROM {schema}.heads

-- name: due
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now)
SELECT project, now FROM {schema}.dues, moment WHERE at <= now ORDER BY at, project LIMIT $2

-- name: lock_if_free
SELECT true FROM {schema}.heads WHERE project = $1 FOR NO KEY UPDATE SKIP LOCKED

-- name: next_deadline
SELECT least(
    (SELECT min(expires_at) FROM {schema}.leases WHERE project = $1 AND ended_at IS NULL),
    (SELECT min(ready_at) FROM {schema}.tasks WHERE project = $1 AND claim_status = 'delayed'))

-- name: set_due
UPDATE {schema}.dues SET at = $2 WHERE project = $1

-- name: all_projects
SELECT {project} FROM {schema}.all_projects()

-- name: uses_blob
SELECT {schema}.uses_blob($1)

-- name: project
SELECT {project} FROM {schema}.projects WHERE key = $1

-- name: queues
SELECT {queue} FROM {schema}.queues WHERE project = $1

-- name: groups
SELECT {group} FROM {schema}.groups WHERE project = $1

-- name: open_groups
SELECT {group} FROM {schema}.groups WHERE project = $1 AND ready > 0

-- name: agents
SELECT {agent} FROM {schema}.agents WHERE project = $1 AND id = ANY ($2)

-- name: tasks
SELECT {task} FROM {schema}.tasks WHERE project = $1 AND id = ANY ($2)

-- name: leases
SELECT {lease} FROM {schema}.leases WHERE project = $1 AND id = ANY ($2)

-- name: matching
SELECT * FROM {schema}.matching($2, $3, $4, $5) WHERE $1::text IS NOT NULL

-- name: runs
SELECT {run} FROM {schema}.runs WHERE project = $1 AND id = ANY ($2)

-- name: entries
SELECT {entry} FROM {schema}.entries WHERE project = $1 AND id = ANY ($2)

-- name: items
SELECT {item} FROM {schema}.items WHERE project = $1 AND id = ANY ($2)

-- name: artifacts
SELECT {artifact} FROM {schema}.artifacts WHERE project = $1 AND id = ANY ($2)

-- name: secrets
SELECT {secret} FROM {schema}.secrets WHERE project = $1 AND name = ANY ($2)

-- name: relationships_of
SELECT {relationship} FROM (
    SELECT {relationship}, seq FROM {schema}.relationships WHERE project = $1 AND from_task_id = $2
    UNION ALL
    SELECT {relationship}, seq FROM {schema}.relationships WHERE project = $1 AND to_task_id = $2 AND from_task_id <> $2
) AS edge ORDER BY seq

-- name: entries_of
SELECT {entry} FROM {schema}.entries WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: items_of
SELECT {item} FROM {schema}.items WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: sessions_of
SELECT {session} FROM {schema}.sessions WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: files_of
SELECT {file} FROM {schema}.files WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: runs_of
SELECT {run} FROM {schema}.runs WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: artifacts_of
SELECT {artifact} FROM {schema}.artifacts WHERE project = $1 AND task_id = $2 ORDER BY seq

-- name: last_events_of
SELECT {event} FROM {schema}.events WHERE project = $1 AND task_id = $2 ORDER BY position DESC LIMIT $3

-- name: recent
SELECT {event} FROM {schema}.events WHERE project = $1 ORDER BY position DESC LIMIT $2

-- name: recent_in_scope
SELECT {event} FROM {schema}.events WHERE project = $1
    AND (SELECT queue FROM {schema}.tasks WHERE tasks.project = $1 AND tasks.id = events.task_id) = ANY ($3::text[])
ORDER BY position DESC LIMIT $2

-- name: history
SELECT {event} FROM {schema}.events WHERE project = $1 AND position > $2 ORDER BY position LIMIT $3

-- name: history_of_task
SELECT {event} FROM {schema}.events WHERE project = $1 AND position > $2 AND task_id = $4 ORDER BY position LIMIT $3

-- name: history_in_scope
SELECT {event} FROM {schema}.events WHERE project = $1 AND position > $2 AND ($4::text IS NULL OR task_id = $4)
    AND (SELECT queue FROM {schema}.tasks WHERE tasks.project = $1 AND tasks.id = events.task_id) = ANY ($5::text[])
ORDER BY position LIMIT $3

-- name: live_leases
SELECT {lease} FROM {schema}.leases WHERE project = $1 AND ended_at IS NULL AND ($2::text[] IS NULL OR
    (SELECT queue FROM {schema}.tasks WHERE tasks.project = $1 AND tasks.id = leases.task_id) = ANY ($2::text[]))
ORDER BY id

-- name: agents_seen
SELECT agent_id, max(greatest(heartbeat_at, coalesce(ended_at, 0))) FROM {schema}.leases WHERE project = $1
GROUP BY agent_id

-- name: statuses
SELECT status, count(*) FROM {schema}.tasks WHERE project = $1 AND deleted_at IS NULL
    AND ($2::text[] IS NULL OR queue = ANY ($2::text[]))
GROUP BY status ORDER BY status

-- name: all_agents
SELECT {agent} FROM {schema}.agents WHERE project = $1 ORDER BY id

-- name: all_tasks
SELECT {task} FROM {schema}.tasks WHERE project = $1 ORDER BY seq

-- name: all_leases
SELECT {lease} FROM {schema}.leases WHERE project = $1 ORDER BY id

-- name: all_runs
SELECT {run} FROM {schema}.runs WHERE project = $1 ORDER BY seq

-- name: all_relationships
SELECT {relationship} FROM {schema}.relationships WHERE project = $1 ORDER BY seq

-- name: all_entries
SELECT {entry} FROM {schema}.entries WHERE project = $1 ORDER BY seq

-- name: all_items
SELECT {item} FROM {schema}.items WHERE project = $1 ORDER BY seq

-- name: all_sessions
SELECT {session} FROM {schema}.sessions WHERE project = $1 ORDER BY seq

-- name: all_files
SELECT {file} FROM {schema}.files WHERE project = $1 ORDER BY seq

-- name: all_artifacts
SELECT {artifact} FROM {schema}.artifacts WHERE project = $1 ORDER BY seq

-- name: all_secrets
SELECT {secret} FROM {schema}.secrets WHERE project = $1 ORDER BY name

-- name: all_queues
SELECT {queue} FROM {schema}.queues WHERE project = $1 ORDER BY name

-- name: all_events
SELECT {event} FROM {schema}.events WHERE project = $1 ORDER BY position
