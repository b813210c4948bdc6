-- Everything in the catalogue that keeps tenants apart, announces changes and guards rows: what it is, and how it stands.
-- The text is the same on every version of Postgres from 15 on.
with tables as (
    select oid, relname, relrowsecurity, relforcerowsecurity from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
)
select 'table ' || relname as subject,
    case when relrowsecurity then 'row security' else 'no row security' end
        || case when relforcerowsecurity then ', forced' else '' end as state
from tables
union all
select 'policies on ' || relname,
    string_agg(
        format('%s: %s for %s to %s using %s with check %s', polname,
            case when polpermissive then 'permissive' else 'restrictive' end, polcmd,
            array(select pg_get_userbyid(role) from unnest(polroles) role where role <> 0)::text,
            coalesce(pg_get_expr(polqual, polrelid), '-'), coalesce(pg_get_expr(polwithcheck, polrelid), '-')),
        '; ' order by polname)
from tables join pg_policy on polrelid = tables.oid
group by relname
union all
select format('trigger %s on %s', tgname, relname),
    case when tgenabled in ('O', 'A') then 'enabled' else 'disabled' end
from tables join pg_trigger on tgrelid = tables.oid
where not tgisinternal
union all
select format('definition of trigger %s on %s', tgname, relname),
    regexp_replace(pg_get_triggerdef(pg_trigger.oid, true), '\s+', ' ', 'g')
from tables join pg_trigger on tgrelid = tables.oid
where not tgisinternal
union all
-- Foreign keys are kept by triggers of the system.
select 'foreign keys of ' || relname,
    case when bool_and(tgenabled in ('O', 'A')) then 'enforced' else 'not enforced' end
from tables join pg_trigger on tgrelid = tables.oid
where tgisinternal
group by relname
union all
-- A body that was parsed when the function was made has no source; its text is made from the parsed form.
select format('function %s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)),
    encode(sha256(convert_to(concat_ws(E'\n', lanname, pg_get_function_result(pg_proc.oid), provolatile, proparallel,
        proisstrict, prosecdef, proleakproof, proconfig::text, coalesce(pg_get_function_sqlbody(pg_proc.oid), prosrc)),
        'UTF8')), 'hex')
from pg_proc join pg_language on pg_language.oid = prolang
where pronamespace = 'public'::regnamespace and prokind = 'f'
order by subject
