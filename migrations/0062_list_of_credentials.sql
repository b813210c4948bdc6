-- All that an account has configured, in one row of columns: the nth elements of the arrays are what was a row before, a base
-- row beside one of its service rows, or beside none. Whoever reads a hundred suppliers then reads one row. No row if nothing
-- is configured. As in 0021 the function sets the tenant; `configured_credentials` stays for a single supplier, and for older
-- versions of the service.
create function list_of_credentials(account bigint)
returns table (
    supplier_codes text[], supplier_names text[], have_staging boolean[], have_production boolean[],
    services text[], environments text[], usernames text[])
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select array_agg(supplier_code), array_agg(name), array_agg(has_staging), array_agg(has_production),
            array_agg(service), array_agg(environment), array_agg(username)
        from (
            select b.supplier_code, d.name,
                b.staging_username is not null and b.staging_password is not null as has_staging,
                b.production_username is not null and b.production_password is not null as has_production,
                s.service, s.environment, s.username
            from supplier_credentials b
            join suppliers d on d.code = b.supplier_code
            left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
            where b.account_id = account
            order by b.supplier_code) configured
        having count(*) > 0;
    inside := set_config('credenza.account_id', outside, true);
end $$;
