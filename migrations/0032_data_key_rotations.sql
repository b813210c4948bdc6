-- Rotations of data keys: one that was interrupted goes on where it stood, instead of beginning again. The operator's, no
-- tenant's rows.

create table data_key_rotations (
    id           bigint generated always as identity,
    -- The one account that it is about; null for all.
    only_account bigint,
    -- Data keys that are older than this are replaced.
    started_at   timestamptz not null,
    finished_at  timestamptz,
    constraint data_key_rotations_pkey primary key (id)
);

-- One at a time for the same accounts.
create unique index data_key_rotations_one_unfinished
    on data_key_rotations (coalesce(only_account, -1)) where finished_at is null;
