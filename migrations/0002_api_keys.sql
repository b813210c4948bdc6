-- API keys. A key is random, so it is stored as one HMAC-SHA-256 under the pepper and found by it; the key itself is
-- nowhere. What a person needs to recognise a key (kind and last four characters) is kept beside it.

create table api_keys (
    account_id bigint not null,
    id         uuid not null,
    user_id    uuid not null,
    name       text not null,
    kind       text not null,
    hash       bytea not null,
    last_four  text not null,
    scopes     text[] not null,
    -- An operator's key may resolve for any account. Only the command line makes one.
    is_operator boolean not null default false,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    constraint api_keys_pkey primary key (account_id, id),
    constraint api_keys_user_fkey foreign key (account_id, user_id) references users (account_id, id) on delete cascade,
    constraint api_keys_kind_known check (kind in ('private', 'public')),
    constraint api_keys_hash_length check (octet_length(hash) = 32),
    constraint api_keys_name_length check (char_length(name) between 1 and 255),
    constraint api_keys_public_has_no_scopes check (kind = 'private' or (scopes = '{}' and not is_operator))
);

-- Not unique: a unique index without account_id could not be distributed, and two equal HMACs do not happen.
create index api_keys_hash_idx on api_keys (hash);
