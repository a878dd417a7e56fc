-- The full-text index, made where the SQLite library has FTS5. It keeps no text of its own: rowid is `seq`.
-- The project is indexed too, so that a search stays among its own; its tokens are no words of a text's fields.
-- Triggers compare before they touch it: a task's status changes far more often than its text.

-- search: make
CREATE VIRTUAL TABLE tasks_text USING fts5(
    project, title, intent, description,
    content = 'tasks', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER tasks_text_new AFTER INSERT ON tasks BEGIN
    INSERT INTO tasks_text (rowid, project, title, intent, description)
    VALUES (new.seq, new.project, new.title, new.intent, new.description);
END;
CREATE TRIGGER tasks_text_changed AFTER UPDATE OF title, intent, description ON tasks
WHEN old.title IS NOT new.title OR old.intent IS NOT new.intent OR old.description IS NOT new.description BEGIN
    INSERT INTO tasks_text (tasks_text, rowid, project, title, intent, description)
    VALUES ('delete', old.seq, old.project, old.title, old.intent, old.description);
    INSERT INTO tasks_text (rowid, project, title, intent, description)
    VALUES (new.seq, new.project, new.title, new.intent, new.description);
END;
CREATE VIRTUAL TABLE entries_text USING fts5(
    project, content,
    content = 'entries', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER entries_text_new AFTER INSERT ON entries BEGIN
    INSERT INTO entries_text (rowid, project, content) VALUES (new.seq, new.project, new.content);
END;
CREATE TRIGGER entries_text_changed AFTER UPDATE OF content ON entries
WHEN old.content IS NOT new.content BEGIN
    INSERT INTO entries_text (entries_text, rowid, project, content)
    VALUES ('delete', old.seq, old.project, old.content);
    INSERT INTO entries_text (rowid, project, content) VALUES (new.seq, new.project, new.content);
END;

-- search: fill
INSERT INTO tasks_text (tasks_text) VALUES ('rebuild');
INSERT INTO entries_text (entries_text) VALUES ('rebuild');

-- search: optimize
INSERT INTO tasks_text (tasks_text) VALUES ('optimize');
INSERT INTO entries_text (entries_text) VALUES ('optimize');
