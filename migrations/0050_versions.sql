-- Which state of a row somebody has seen, for optimistic concurrency (RFC 9110 §13.1; src/credentials/tag.rs). Random, and
-- new at every write, whoever writes: the service, an older version of it, a person with psql. So it tells nothing of what
-- is stored, no two states share one, also when two writes fall into one microsecond or a row is deleted and made anew,
-- and every instance reads the same. A password that is sealed anew without being changed counts as a write as well.

alter table supplier_credentials add column version uuid not null default gen_random_uuid();
alter table service_credentials add column version uuid not null default gen_random_uuid();

create function renew_version() returns trigger language plpgsql as $$
begin
    new.version := gen_random_uuid();
    return new;
end $$;

create trigger supplier_credentials_version before insert or update on supplier_credentials
    for each row execute function renew_version();
create trigger service_credentials_version before insert or update on service_credentials
    for each row execute function renew_version();

-- As in 0021, with the versions. Older versions of the service ask for the columns by name.
drop function configured_credentials(bigint, text);
create function configured_credentials(account bigint, supplier text)
returns table (
    supplier_code text, supplier_name text, has_staging boolean, has_production boolean, version uuid,
    service text, environment text, username text, service_version uuid)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select b.supplier_code, d.name,
            b.staging_username is not null and b.staging_password is not null,
            b.production_username is not null and b.production_password is not null, b.version,
            s.service, s.environment, s.username, s.version
        from supplier_credentials b
        join suppliers d on d.code = b.supplier_code
        left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
        where b.account_id = account and (supplier is null or b.supplier_code = supplier)
        order by b.supplier_code;
    inside := set_config('credenza.account_id', outside, true);
end $$;
