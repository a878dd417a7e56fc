-- Parts of the one statement that loads what a batch asked for; $1 is the project, %1, %2 ... are parameters numbered
-- when the parts are put together. Each "name" is a scalar of the result: an array of rows, or NULL for none.

-- name: head
SELECT ROW(position, hash, virtual_time, at) FROM {schema}.heads WHERE project = $1

-- name: project
SELECT ROW({project}) FROM {schema}.projects WHERE key = $1

-- name: queues
SELECT array_agg(ROW({queue})) FROM {schema}.queues WHERE project = $1 AND touched > %1::bigint

-- name: groups
SELECT array_agg(ROW({group})) FROM {schema}.groups WHERE project = $1 AND touched > %1::bigint

-- name: entries
SELECT array_agg(ROW({entry})) FROM {schema}.entries WHERE project = $1 AND id = ANY (%1::text[])

-- name: items
SELECT array_agg(ROW({item}) ORDER BY seq) FROM {schema}.items WHERE project = $1 AND task_id = ANY (%1::text[])

-- name: receipts
SELECT array_agg(ROW({receipt})) FROM {schema}.receipts
WHERE project = $1 AND (actor, operation, key) IN (
    SELECT u.actor, u.operation, u.key FROM unnest(%1::text[], %2::text[], %3::text[]) AS u (actor, operation, key))

-- name: sessions
SELECT array_agg(ROW({session}) ORDER BY seq) FROM {schema}.sessions WHERE project = $1 AND task_id = ANY (%1::text[])

-- name: files
SELECT array_agg(ROW({file}) ORDER BY seq) FROM {schema}.files WHERE project = $1 AND task_id = ANY (%1::text[])

-- name: artifacts
SELECT array_agg(ROW({artifact})) FROM {schema}.artifacts WHERE project = $1 AND id = ANY (%1::text[])

-- name: secrets
SELECT array_agg(ROW({secret})) FROM {schema}.secrets WHERE project = $1 AND name = ANY (%1::text[])

-- name: ready
SELECT array_agg(ROW({task}) ORDER BY id) FROM (
    SELECT * FROM {schema}.tasks WHERE project = $1 AND id > %1::text AND claim_status = 'ready' ORDER BY id
    LIMIT %2::bigint) AS t

-- name: events
SELECT array_agg(ROW({event}) ORDER BY position) FROM {schema}.events
WHERE project = $1 AND task_id = ANY (%1::text[])

-- name: about
SELECT array_agg(ROW({receipt})) FROM {schema}.receipts
WHERE project = $1 AND EXISTS (SELECT FROM unnest(%1::text[]) AS u (said) WHERE strpos(receipts.reply, u.said) > 0)

-- name: windows
SELECT array_agg(ROW(w.queue, w.claim_group, (
    SELECT array_agg(ROW({task}) ORDER BY rank, rank_position, id) FROM (
        SELECT * FROM {schema}.tasks AS t
        WHERE t.project = $1 AND t.queue = w.queue AND t.claim_group = w.claim_group AND t.claim_status = 'ready'
        ORDER BY t.rank, t.rank_position, t.id LIMIT w.size) AS t)))
FROM unnest(%1::text[], %2::text[], %3::bigint[]) AS w (queue, claim_group, size)

-- name: delayed
SELECT array_agg(ROW({task}) ORDER BY ready_at, id) FROM (
    SELECT * FROM {schema}.tasks
    WHERE project = $1 AND claim_status = 'delayed' AND ready_at <= (SELECT now FROM moment)
    ORDER BY ready_at, id LIMIT %1::bigint) AS t

-- name: urgent
SELECT array_agg(ROW({task}) ORDER BY ready_at, id) FROM (
    SELECT * FROM {schema}.tasks
    WHERE project = $1 AND claim_status = 'ready' AND priority = 'critical' AND deleted_at IS NULL
    ORDER BY ready_at, id LIMIT %1::bigint) AS t

-- name: overdue
SELECT array_agg(ROW(expires_at, id) ORDER BY expires_at, id) FROM overdue

-- name: after
SELECT array_agg(id) FROM later

-- name: items_by_id
SELECT array_agg(ROW({item})) FROM {schema}.items WHERE project = $1 AND id = ANY (%1::text[])

-- name: sessions_by_id
SELECT array_agg(ROW({session})) FROM {schema}.sessions WHERE project = $1 AND id = ANY (%1::text[])

-- name: files_by_id
SELECT array_agg(ROW({file})) FROM {schema}.files WHERE project = $1 AND id = ANY (%1::text[])

-- name: relationships_by_id
SELECT array_agg(ROW({relationship})) FROM {schema}.relationships WHERE project = $1 AND id = ANY (%1::text[])

-- name: edges
SELECT array_agg(ROW({relationship}) ORDER BY seq) FROM edges

-- name: tasks
SELECT array_agg(ROW({task})) FROM wanted_tasks

-- name: leases
SELECT array_agg(ROW({lease})) FROM wanted_leases

-- name: runs
SELECT array_agg(ROW({run})) FROM {schema}.runs WHERE project = $1 AND id = ANY (ARRAY({sources}))

-- name: agents
SELECT array_agg(ROW({agent})) FROM {schema}.agents WHERE project = $1 AND id = ANY (ARRAY({sources}))

-- name: with_overdue
overdue AS MATERIALIZED (
    SELECT expires_at, id FROM {schema}.leases
    WHERE project = $1 AND ended_at IS NULL AND expires_at <= (SELECT now FROM moment)
    ORDER BY expires_at, id LIMIT %1::bigint)

-- name: with_first
first_leases AS MATERIALIZED (
    SELECT id FROM {schema}.leases WHERE project = $1 AND ended_at IS NULL ORDER BY acquired_at, id LIMIT %1::bigint)

-- name: with_live
live_leases AS MATERIALIZED (SELECT id FROM {schema}.leases WHERE project = $1 AND ended_at IS NULL)

-- name: with_later
later AS MATERIALIZED (
    WITH RECURSIVE reached (id) AS (
        SELECT unnest(%1::text[]) COLLATE "C"
        UNION
        SELECT step.id FROM reached CROSS JOIN LATERAL (
            SELECT to_task_id AS id FROM {schema}.relationships
            WHERE project = $1 AND from_task_id = reached.id AND type = 'blocks'
            UNION ALL
            SELECT from_task_id FROM {schema}.relationships
            WHERE project = $1 AND to_task_id = reached.id AND type = 'parent_of') AS step
    ) SELECT id FROM reached LIMIT %2::bigint)

-- name: with_under
under AS MATERIALIZED (
    WITH RECURSIVE reached (id) AS (
        SELECT unnest(%1::text[]) COLLATE "C"
        UNION
        SELECT edge.to_task_id FROM reached JOIN {schema}.relationships AS edge
            ON edge.project = $1 AND edge.from_task_id = reached.id AND edge.type = 'parent_of'
    ) SELECT id FROM reached)

-- name: with_edges
edges AS MATERIALIZED (
    SELECT {relationship}, seq FROM {schema}.relationships
    WHERE project = $1 AND from_task_id = ANY (ARRAY({sources}))
    UNION ALL
    SELECT {relationship}, seq FROM {schema}.relationships
    WHERE project = $1 AND to_task_id = ANY (ARRAY({sources})) AND from_task_id <> ALL (ARRAY({sources})))

-- name: with_chosen
chosen AS MATERIALIZED (
    SELECT id, task_id, agent_id, run_id FROM {schema}.leases WHERE project = $1 AND id = ANY (ARRAY({sources})))

-- name: with_tasks
wanted_tasks AS MATERIALIZED (
    SELECT * FROM {schema}.tasks WHERE project = $1 AND id = ANY (ARRAY({sources})))

-- name: with_leases
wanted_leases AS MATERIALIZED (
    SELECT * FROM {schema}.leases WHERE project = $1 AND id = ANY (ARRAY({sources})))

-- name: with_moment
-- Clocks of several machines differ: where nobody brings one of his own ($2), the server's is everybody's.
moment AS MATERIALIZED (
    SELECT coalesce($2::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now)
