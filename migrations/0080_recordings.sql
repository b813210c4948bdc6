-- Beginning and end of an instance's recording are events of the operator's chain (`resolves.begun`, `resolves.ended`); a
-- beginning without an end is a gap. Rows of audit_writers are hints that narrow a gap, and are authenticated.

alter table audit_writers
    -- HMAC over both columns under the audit key. Null in rows of versions that recorded no beginnings.
    add column mac bytea;

-- The rows that such versions have left. The application's role may only read them: an invented row here would make the
-- service record a gap.
create table audit_former_writers (
    writer_id  uuid not null,
    written_at timestamptz not null,
    constraint audit_former_writers_pkey primary key (writer_id)
);
insert into audit_former_writers select writer_id, written_at from audit_writers;
