-- What was answered to requests with an Idempotency-Key, for a day (src/idempotency/mod.rs). Neither the key nor the
-- request is here, only MACs of them under a key that is not in the database: a request may hold a password, and a plain
-- hash of it would let a thief of the table try passwords. The answer is stored without its secret.

create table idempotency_keys (
    -- Of whoever asked, which may be the parent of the account that the request was about.
    account_id  bigint not null,
    id          bytea not null,
    fingerprint bytea not null,
    status      smallint not null,
    tag         text,
    body        text not null,
    created_at  timestamptz not null,
    constraint idempotency_keys_pkey primary key (account_id, id),
    constraint idempotency_keys_account_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint idempotency_keys_id_length check (octet_length(id) = 32),
    constraint idempotency_keys_fingerprint_length check (octet_length(fingerprint) = 32)
);

-- For whoever removes the old ones.
create index idempotency_keys_by_age on idempotency_keys (created_at);

select protect_tenant_rows('idempotency_keys');

-- Whoever writes under a key holds its lock to the end of the transaction. Behind the lock, in a statement of its own, the
-- outcome of everybody who held it before can be seen. As in 0021 the function sets the tenant, who may be another than
-- that of the transaction.
create function claim_idempotency_key(
    account bigint, key bytea, lock bigint, since timestamptz,
    out is_free boolean, out known bytea, out status smallint, out tag text, out body text)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text;
begin
    is_free := pg_try_advisory_xact_lock(lock);
    if not is_free then
        return;
    end if;
    inside := set_config('credenza.account_id', account::text, true);
    -- The outcome will refer to the account, at a moment when the end of its audit chain is locked. Whoever purges it takes
    -- the two the other way round, so this one comes first.
    perform from accounts where id = account for key share;
    select k.fingerprint, k.status, k.tag, k.body into known, status, tag, body from idempotency_keys k
        where k.account_id = account and k.id = key and k.created_at > since;
    inside := set_config('credenza.account_id', outside, true);
end $$;

-- Takes the place of an outcome that is too old to count.
create function keep_outcome(
    account bigint, key bytea, fingerprint bytea, status smallint, tag text, body text, now timestamptz)
returns void language plpgsql as $$
#variable_conflict use_variable
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    insert into idempotency_keys as stored (account_id, id, fingerprint, status, tag, body, created_at)
        values (account, key, fingerprint, status, tag, body, now)
        on conflict on constraint idempotency_keys_pkey do update set
            fingerprint = excluded.fingerprint, status = excluded.status, tag = excluded.tag, body = excluded.body,
            created_at = excluded.created_at;
    inside := set_config('credenza.account_id', outside, true);
end $$;
