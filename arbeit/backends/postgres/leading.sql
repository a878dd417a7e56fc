-- Leadership and the positions of sinks, one statement each. A moment is the server's own, unless one is given.

-- name: lead
INSERT INTO {schema}.leaders AS mine (role, holder, term, until)
SELECT $1, $2, 1, coalesce($4::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + $3::bigint
ON CONFLICT (role) DO UPDATE SET
    term = mine.term + (mine.holder <> excluded.holder)::integer, holder = excluded.holder, until = excluded.until
    WHERE mine.holder = excluded.holder OR mine.until <= excluded.until - $3::bigint
RETURNING term, until

-- name: resign
UPDATE {schema}.leaders SET holder = '', until = 0 WHERE role = $1 AND holder = $2 AND term = $3

-- name: behind
SELECT heads.project, coalesce(offsets.position, 0), heads.position
FROM {schema}.heads LEFT JOIN {schema}.offsets ON offsets.sink = $1 AND offsets.project = heads.project
WHERE heads.position > coalesce(offsets.position, 0) ORDER BY heads.project

-- name: offsets
SELECT project, position FROM {schema}.offsets WHERE sink = $1

-- name: advance
-- The lock keeps the term current until this is committed; without it, a successor could begin in between.
WITH held AS MATERIALIZED (
    SELECT role FROM {schema}.leaders WHERE role = $1 AND holder = $2 AND term = $3 FOR SHARE
), saved AS (
    INSERT INTO {schema}.offsets AS mine (sink, project, position)
    SELECT $4, found.project, found.position
    FROM held, unnest($5::text[], $6::bigint[]) AS found (project, position)
    ON CONFLICT (sink, project) DO UPDATE SET position = greatest(mine.position, excluded.position)
)
SELECT count(*) FROM held
