-- Calls to suppliers on record: the third format of a record (docs/AUDIT.md) authenticates the two columns. Records of the
-- formats before it have them null.

alter table audit_events
    add column operation text,
    add column took_ms   bigint,
    drop constraint audit_events_format,
    add constraint audit_events_format check (format between 1 and 3);
