-- Whether logins work, as suppliers said it. A row for each state of a pair: a write of the pair makes another version, and so
-- begins anew. Nothing of a login is here. A row can only keep a login from being sent, never give one.

create table login_health (
    -- The operator's own account for a shared login.
    account_id        bigint not null,
    supplier_code     text collate "C" not null,
    level             text not null,
    -- Of a pair for one service; or of the refusal of a pair for this service only. Else empty.
    service           text not null,
    environment       text not null,
    version           bytea not null,
    -- When the state that lasts began.
    since             timestamptz not null,
    last_accepted_at  timestamptz,
    last_refused_at   timestamptz,
    refused_code      integer,
    refusals_in_a_row integer not null,
    constraint login_health_pkey
        primary key (account_id, supplier_code, level, service, environment, version),
    constraint login_health_account_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint login_health_supplier_fkey
        foreign key (supplier_code) references suppliers (code) on delete cascade,
    constraint login_health_level_known check (level in ('service', 'account', 'default')),
    constraint login_health_environment_known check (environment in ('STAGING', 'PROD'))
);

select protect_tenant_rows('login_health');

create index login_health_by_time on login_health (greatest(last_accepted_at, last_refused_at));

-- A refusal, or the end of a row of them, decides whether a login is sent; a later acceptance decides nothing.
create trigger login_health_announce_insert after insert on login_health
    for each row when (new.refusals_in_a_row > 0) execute function announce('bundle', 'account_id', 'supplier_code');
create trigger login_health_announce_update after update on login_health
    for each row when (old.refusals_in_a_row is distinct from new.refusals_in_a_row)
    execute function announce('bundle', 'account_id', 'supplier_code');
create trigger login_health_announce_delete after delete on login_health
    for each row when (old.refusals_in_a_row > 0) execute function announce('bundle', 'account_id', 'supplier_code');

-- The states of an account's logins for one supplier; one round trip.
create function login_health_of(account bigint, supplier text) returns setof login_health language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select h.* from login_health h where h.account_id = account and h.supplier_code = supplier;
    inside := set_config('credenza.every_account', outside, true);
end $$;
