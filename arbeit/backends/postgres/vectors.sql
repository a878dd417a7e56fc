-- Vectors beside the tables that they are derived from. `vector` is what every store keeps; `embedding` is the same for
-- pgvector, a column that is there where an administrator allows the extension.

-- name: place
SELECT n.nspname FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
WHERE x.extname = 'vector' AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = '{schema}.vectors'::regclass AND attname = 'embedding')

-- name: place_and_some
SELECT n.nspname, (
    SELECT count(*) FROM (SELECT FROM {schema}.vectors WHERE project = $1 AND model = $2 LIMIT $3) AS few)
FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
WHERE x.extname = 'vector' AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = '{schema}.vectors'::regclass AND attname = 'embedding')

-- name: indexes
SELECT model, dimensions, position, revision,
    (SELECT count(*) FROM {schema}.vectors AS v WHERE v.project = i.project AND v.model = i.model)
FROM {schema}.vector_indexes AS i WHERE project = $1 ORDER BY model

-- name: begin_index
INSERT INTO {schema}.vector_indexes (project, model, dimensions, position, revision) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (project, model) DO NOTHING

-- name: move_index
UPDATE {schema}.vector_indexes SET dimensions = $3, position = $4, revision = revision + 1
WHERE project = $1 AND model = $2 AND revision = $5

-- name: digests
SELECT v.kind, v.id, v.digest FROM {schema}.vectors AS v JOIN unnest($3::text[], $4::text[]) AS u (kind, id)
    ON v.kind = u.kind AND v.id = u.id
WHERE v.project = $1 AND v.model = $2

-- name: save
INSERT INTO {schema}.vectors (project, model, kind, id, task_id, digest, vector)
SELECT $1, $2, u.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[]) AS u
ON CONFLICT (project, model, kind, id) DO UPDATE
SET task_id = excluded.task_id, digest = excluded.digest, vector = excluded.vector

-- name: save_embedded
INSERT INTO {schema}.vectors (project, model, kind, id, task_id, digest, vector, embedding)
SELECT $1, $2, u.kind, u.id, u.task_id, u.digest, u.vector, u.said::{place}.vector
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[])
    AS u (kind, id, task_id, digest, vector, said)
ON CONFLICT (project, model, kind, id) DO UPDATE
SET task_id = excluded.task_id, digest = excluded.digest, vector = excluded.vector, embedding = excluded.embedding

-- name: forget
DELETE FROM {schema}.vectors AS v USING unnest($3::text[], $4::text[]) AS u (kind, id)
WHERE v.project = $1 AND ($2::text IS NULL OR v.model = $2) AND v.kind = u.kind AND v.id = u.id

-- name: forget_of
DELETE FROM {schema}.vectors AS v WHERE v.project = $1 AND ($2::text IS NULL OR v.model = $2) AND v.task_id = ANY ($3)

-- name: drop_vectors
DELETE FROM {schema}.vectors WHERE project = $1 AND model = $2

-- name: drop_index
DELETE FROM {schema}.vector_indexes WHERE project = $1 AND model = $2

-- name: index_model
SELECT {schema}.index_vectors($1, $2)

-- name: extension
SELECT n.nspname FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace WHERE x.extname = 'vector'

-- name: available
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')

-- name: add_column
ALTER TABLE {schema}.vectors ADD COLUMN IF NOT EXISTS embedding {place}.vector

-- name: without
SELECT ctid::text, vector FROM {schema}.vectors WHERE embedding IS NULL LIMIT 1000

-- name: fill
UPDATE {schema}.vectors AS v SET embedding = u.said::{place}.vector
FROM unnest($1::text[], $2::text[]) AS u (place, said) WHERE v.ctid = u.place::tid

-- name: make_function
CREATE OR REPLACE FUNCTION {schema}.index_vectors(model text, dimensions integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {place}
AS $$ BEGIN
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON {schema}.vectors USING hnsw ((embedding::vector(%s)) vector_ip_ops) '
        'WHERE model = %L AND vector_dims(embedding) = %s',
        'vectors_' || substr(md5(model), 1, 16) || '_' || dimensions, dimensions, model, dimensions);
END $$

-- name: revoke
REVOKE ALL ON FUNCTION {schema}.index_vectors(text, integer) FROM PUBLIC

-- name: grant
GRANT EXECUTE ON FUNCTION {schema}.index_vectors(text, integer) TO {role}
