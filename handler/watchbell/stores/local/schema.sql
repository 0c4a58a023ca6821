-- Times are whole minutes since 1970 UTC where they are fire times or bounds of them (named *_fire, *_minute),
-- and seconds since 1970 UTC with a fraction everywhere else (named *_at, *_until).

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The due index, derived from scheduler_tasks.json.
CREATE TABLE tasks (
    task_id            TEXT PRIMARY KEY,
    revision           INTEGER NOT NULL,
    definition         TEXT NOT NULL,
    next_fire          INTEGER,
    paused_from_minute INTEGER
) WITHOUT ROWID;
CREATE INDEX due ON tasks (next_fire) WHERE next_fire IS NOT NULL;

-- Every version of every schedule: what was expected, from when, until when.
CREATE TABLE schedules (
    task_id     TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    cron        TEXT NOT NULL,
    timezone    TEXT NOT NULL,
    from_minute INTEGER NOT NULL,
    to_minute   INTEGER,
    PRIMARY KEY (task_id, revision)
) WITHOUT ROWID;

CREATE TABLE runs (
    task_id        TEXT NOT NULL,
    fire_time      TEXT NOT NULL,
    adhoc          INTEGER NOT NULL,
    status         TEXT NOT NULL,
    attempt        INTEGER NOT NULL,
    crashes        INTEGER NOT NULL DEFAULT 0,
    owner_token    TEXT,
    owner_machine  TEXT,
    owner_boot     TEXT,
    lease_until    REAL NOT NULL,
    wake_at        REAL,
    due_at         REAL NOT NULL,
    deliver_until  REAL NOT NULL,
    started_at     REAL NOT NULL,
    finished_at    REAL,
    definition     TEXT NOT NULL,
    verdict        TEXT,
    error          TEXT,
    exit_code      INTEGER NOT NULL DEFAULT 0,
    source_error   TEXT,
    declined_by    TEXT,
    declined_until REAL,
    PRIMARY KEY (task_id, fire_time) -- the claim: of any number of inserts one wins
) WITHOUT ROWID;
-- A running run is always owed (wake_at = 0), a waiting one from its retry time on.
CREATE INDEX open_runs ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_by_due ON runs (task_id, due_at);
CREATE INDEX live_runs ON runs (task_id) WHERE status = 'running' AND NOT adhoc;

CREATE TABLE reports (
    task_id   TEXT NOT NULL,
    fire_time TEXT NOT NULL,
    body      BLOB NOT NULL, -- zlib-compressed JSON
    PRIMARY KEY (task_id, fire_time)
);

CREATE TABLE parts (
    task_id    TEXT NOT NULL,
    fire_time  TEXT NOT NULL,
    target     TEXT NOT NULL,
    part       INTEGER NOT NULL,
    of         INTEGER NOT NULL,
    outcome    TEXT, -- NULL: an intent without an outcome
    attempts   INTEGER NOT NULL,
    message_id TEXT,
    error      TEXT,
    note       TEXT,
    intent_at  REAL NOT NULL,
    retry_at   REAL,
    repeats    INTEGER NOT NULL DEFAULT 0,
    questions  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, fire_time, target, part)
) WITHOUT ROWID;

-- Expected fire times without a run, as ranges.
CREATE TABLE gaps (
    id          INTEGER PRIMARY KEY,
    task_id     TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    first_fire  INTEGER NOT NULL,
    last_fire   INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    recorded_at REAL NOT NULL
);
CREATE INDEX gaps_by_task ON gaps (task_id, last_fire);

CREATE TABLE ticks (
    id      INTEGER PRIMARY KEY,
    minute  INTEGER NOT NULL,
    ran_at  REAL NOT NULL,
    timer   TEXT NOT NULL,
    machine TEXT NOT NULL
);
CREATE INDEX ticks_by_time ON ticks (ran_at);

-- What the operator is to hear of: once, then daily, then of the recovery.
CREATE TABLE notices (
    key       TEXT PRIMARY KEY,
    detail    TEXT NOT NULL,
    holds     INTEGER NOT NULL DEFAULT 1, -- whether the condition holds
    told      INTEGER NOT NULL DEFAULT 0, -- whether the operator believes that it does
    since_at  REAL NOT NULL,
    raised_at REAL NOT NULL,              -- when it was last seen to hold
    told_at   REAL,                       -- when the operator last heard of it, either way
    tell_at   REAL                        -- when to tell: the condition again, or its recovery
) WITHOUT ROWID;
CREATE INDEX notices_to_tell ON notices (tell_at) WHERE tell_at IS NOT NULL;
