-- What a key is restricted to, and when it was last used.

alter table api_keys
    add column allowed_ips text[] not null default '{}',
    -- It has a successor, and only lives on to the end of an overlap.
    add column is_rotated boolean not null default false;

-- A table of its own: last use is written often and in batches, and is no change that anybody has to hear of.
create table api_key_uses (
    account_id   bigint not null,
    key_id       uuid not null,
    last_used_at timestamptz not null,
    constraint api_key_uses_pkey primary key (account_id, key_id),
    constraint api_key_uses_key_fkey
        foreign key (account_id, key_id) references api_keys (account_id, id) on delete cascade
);
