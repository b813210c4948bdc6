-- OAuth2: clients with their secrets, revoked tokens, and the keys that sign tokens.

create table oauth_clients (
    account_id       bigint not null,
    id               uuid not null,
    user_id          uuid not null,
    -- What the client calls itself at the token endpoint. Not a secret.
    client_id        text not null,
    name             text not null,
    scopes           text[] not null,
    access_token_ttl integer not null,
    created_at       timestamptz not null,
    revoked_at       timestamptz,
    constraint oauth_clients_pkey primary key (account_id, id),
    constraint oauth_clients_user_fkey
        foreign key (account_id, user_id) references users (account_id, id) on delete cascade,
    constraint oauth_clients_name_length check (char_length(name) between 1 and 255),
    constraint oauth_clients_ttl_range check (access_token_ttl between 60 and 86400)
);

-- Not unique, for the same reason as the hashes of keys.
create index oauth_clients_client_id_idx on oauth_clients (client_id);

-- More than one while a rotation overlaps.
create table oauth_client_secrets (
    account_id bigint not null,
    client     uuid not null,
    hash       bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    constraint oauth_client_secrets_pkey primary key (account_id, client, hash),
    constraint oauth_client_secrets_client_fkey
        foreign key (account_id, client) references oauth_clients (account_id, id) on delete cascade,
    constraint oauth_client_secrets_hash_length check (octet_length(hash) = 32)
);

-- Tokens that were revoked before they ran out (RFC 7009).
create table revoked_tokens (
    account_id bigint not null,
    jti        uuid not null,
    expires_at timestamptz not null,
    constraint revoked_tokens_pkey primary key (account_id, jti),
    constraint revoked_tokens_account_fkey foreign key (account_id) references accounts (id) on delete cascade
);

-- The operator's: no tenant's rows. The private half is sealed under the operator's data key.
create table signing_keys (
    kid         text not null,
    public_jwk  jsonb not null,
    private_key bytea not null,
    created_at  timestamptz not null,
    -- Signs until retired_at; verifies until expires_at, when the last token that it signed has run out.
    retired_at  timestamptz,
    expires_at  timestamptz,
    constraint signing_keys_pkey primary key (kid),
    constraint signing_keys_retire_then_expire check ((retired_at is null) = (expires_at is null))
);

-- At most one key signs.
create unique index signing_keys_one_signs on signing_keys ((true)) where retired_at is null;

create function announce_client_secret() returns trigger language plpgsql as $$
declare
    row oauth_client_secrets := case when tg_op = 'DELETE' then old else new end;
begin
    perform pg_notify('credenza_changes', 'client ' || c.client_id)
        from oauth_clients c where c.account_id = row.account_id and c.id = row.client;
    return null;
end $$;

create trigger oauth_clients_announce after insert or update or delete on oauth_clients
    for each row execute function announce('client', 'client_id');
create trigger oauth_client_secrets_announce after insert or update or delete on oauth_client_secrets
    for each row execute function announce_client_secret();
create trigger revoked_tokens_announce after insert or update or delete on revoked_tokens
    for each row execute function announce('token', 'jti');
create trigger signing_keys_announce after insert or update or delete on signing_keys
    for each statement execute function announce('everything');
create trigger signing_keys_announce_truncate after truncate on signing_keys
    for each statement execute function announce('everything');
create trigger oauth_clients_announce_truncate after truncate on oauth_clients
    for each statement execute function announce('everything');
create trigger oauth_client_secrets_announce_truncate after truncate on oauth_client_secrets
    for each statement execute function announce('everything');
create trigger revoked_tokens_announce_truncate after truncate on revoked_tokens
    for each statement execute function announce('everything');
