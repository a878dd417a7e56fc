-- Vectors beside the tables that they are derived from. Keys come as one JSON array of [kind, id] pairs.

-- name: vector_indexes
SELECT model, dimensions, position, revision,
    (SELECT count(*) FROM vectors WHERE vectors.project = i.project AND vectors.model = i.model)
FROM vector_indexes AS i WHERE project = ? ORDER BY model

-- name: vector_revision
SELECT revision FROM vector_indexes WHERE project = ? AND model = ?

-- name: save_vector_index
INSERT INTO vector_indexes (project, model, dimensions, position, revision) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (project, model) DO UPDATE SET dimensions = excluded.dimensions, position = excluded.position,
    revision = excluded.revision

-- name: vector_digests
SELECT v.kind, v.id, v.digest FROM json_each(?3) AS wanted CROSS JOIN vectors AS v
ON v.project = ?1 AND v.model = ?2
    AND v.kind = json_extract(wanted.value, '$[0]') AND v.id = json_extract(wanted.value, '$[1]')

-- name: save_vector
INSERT INTO vectors (project, model, kind, id, task_id, digest, vector) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (project, model, kind, id) DO UPDATE SET task_id = excluded.task_id, digest = excluded.digest,
    vector = excluded.vector

-- name: forget_vector
DELETE FROM vectors WHERE project = ? AND model = ? AND kind = ? AND id = ?

-- name: forget_vectors_of
DELETE FROM vectors WHERE project = ? AND model = ? AND task_id = ?

-- name: vector_models
SELECT model FROM vector_indexes WHERE project = ?

-- name: drop_vectors
DELETE FROM vectors WHERE project = ? AND model = ?

-- name: drop_vector_index
DELETE FROM vector_indexes WHERE project = ? AND model = ?
