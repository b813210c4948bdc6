-- Data keys: one per account and generation, wrapped by a key-encryption key that is not in the database.
-- Account 0 is the operator, whose key seals the default credentials.

create table data_keys (
    account_id bigint not null,
    generation integer not null,
    -- Which key-encryption key opens `wrapped`; also bound into it, so changing this column only makes the row useless.
    kek_id     text not null,
    wrapped    bytea not null,
    created_at timestamptz not null,
    constraint data_keys_pkey primary key (account_id, generation),
    constraint data_keys_account_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint data_keys_generation_positive check (generation > 0)
);
