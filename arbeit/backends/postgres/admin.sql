-- Statements about the schema itself.

-- name: there
-- Whether there is such a schema, anything in it, and what of it marks it as ours.
SELECT
    EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS made,
    EXISTS (
        SELECT FROM pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace
        WHERE s.nspname = $1 AND t.relkind IN ('r', 'p', 'v', 'm', 'f')) AS furnished,
    (SELECT count(*) FROM information_schema.columns
        WHERE table_schema = $1 AND (table_name, column_name) IN (
            ('meta', 'name'), ('meta', 'value'), ('heads', 'virtual_time'), ('dues', 'at'))) = 4 AS ours

-- name: meta
SELECT name, value FROM {schema}.meta WHERE name IN ('version', 'compatible', 'role')

-- name: lease_key
SELECT value FROM {schema}.meta WHERE name = 'lease_key'

-- name: secured
-- A table's owner is bound by no policy, so the role must not be it.
SELECT bool_and(t.relrowsecurity AND pg_get_userbyid(t.relowner) <> $2)
FROM pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace
WHERE s.nspname = $1 AND t.relkind IN ('r', 'p')
    AND t.relname NOT IN ('meta', 'heads', 'dues', 'leaders', 'offsets')

-- name: alone
SELECT pg_advisory_xact_lock(hashtextextended('arbeit migrates ' || $1, 0))

-- name: role
-- From Postgres 16 on, whoever made a role is a member that may not take it on until it is granted.
SELECT rolsuper, rolbypassrls, pg_has_role(current_user, oid,
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS mine
FROM pg_roles WHERE rolname = $1

-- name: keep_meta
INSERT INTO {schema}.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- name: put_meta
INSERT INTO {schema}.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
