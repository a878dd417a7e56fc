-- Parts of the one statement that writes a batch; $1 is the project, and %1, %2 ... are parameters numbered when the
-- parts are put together. $2, where a part has it, is what new rows are numbered from.

-- name: head
UPDATE {schema}.heads SET position = %1::bigint, hash = %2::text, virtual_time = %3::bigint, at = %4::bigint
WHERE project = $1

-- name: first_head
INSERT INTO {schema}.heads (project, position, hash, virtual_time, at)
VALUES ($1, %1::bigint, %2::text, %3::bigint, %4::bigint)

-- name: first_due
INSERT INTO {schema}.dues (project, at) VALUES ($1, %1::bigint)

-- name: due
UPDATE {schema}.dues SET at = %1::bigint WHERE project = $1 AND at > %1::bigint

-- name: beats
UPDATE {schema}.leases AS t SET expires_at = u.expires_at,
    heartbeat_at = coalesce(u.heartbeat_at, t.heartbeat_at)
FROM unnest(%1::text::text[], %2::text::bigint[], %3::text::bigint[]) AS u (id, expires_at, heartbeat_at)
WHERE t.project = $1 AND t.id = u.id

-- name: relationships_gone
DELETE FROM {schema}.relationships WHERE project = $1 AND id = ANY (%1::text[])

-- name: erased
UPDATE {schema}.events AS t SET data = u.data FROM unnest(%1::bigint[], %2::text[]) AS u (position, data)
WHERE t.project = $1 AND t.position = u.position

-- name: reissued
UPDATE {schema}.receipts AS t SET reply = u.reply
FROM unnest(%1::text[], %2::text[], %3::text[], %4::text[]) AS u (actor, operation, key, reply)
WHERE t.project = $1 AND t.actor = u.actor AND t.operation = u.operation AND t.key = u.key

-- name: forgotten
DELETE FROM {schema}.receipts WHERE project = $1 AND at < %1::bigint

-- name: texts
INSERT INTO {schema}.texts (project, kind, seq, words)
SELECT $1, %1::text, $2::bigint + u.n, array_to_tsvector(string_to_array(u.words, ' '))
FROM unnest(%2::text::text[]) WITH ORDINALITY AS u (words, n)

-- name: texts_reworded
INSERT INTO {schema}.texts (project, kind, seq, words)
SELECT $1, %1::text, t.seq, array_to_tsvector(string_to_array(u.words, ' '))
FROM unnest(%2::text[], %3::text[]) AS u (id, words) JOIN {schema}.{table} AS t ON t.project = $1 AND t.id = u.id
ON CONFLICT (project, kind, seq) DO UPDATE SET words = excluded.words
