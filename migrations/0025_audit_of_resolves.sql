-- Resolves are recorded beside changes. The second format of a record (docs/AUDIT.md) authenticates more columns; records
-- of the first stay as they are, with these columns null.

alter table audit_events
    add column format           smallint not null default 1,
    -- What came of it, as an HTTP status. Changes are recorded only when they are done: 200.
    add column outcome          smallint,
    -- Of a resolve: the level that answered.
    add column source           text,
    -- Of a resolve that was refused and so is recorded with the account that asked: the account that it asked for.
    add column asked_account_id bigint,
    -- Of a gap: what was recorded until this moment is there.
    add column since            timestamptz,
    add constraint audit_events_format check (format between 1 and 2);

-- Filters of the listing. Resolves outnumber everything else, so the index over actions leaves them out: they are found
-- in the order of the primary key as well.
create index audit_events_by_supplier on audit_events (account_id, supplier_code, sequence);
create index audit_events_by_action on audit_events (account_id, action, sequence)
    where action <> 'credentials.resolved';

-- Instances that may hold events of resolves in memory: a row from the first one until everything is written and the
-- instance stops. A row whose instance is gone (nobody holds its advisory lock) says that events may be missing.
create table audit_writers (
    writer_id  uuid not null,
    -- What was recorded until this moment is written.
    written_at timestamptz not null,
    constraint audit_writers_pkey primary key (writer_id)
);
