-- The rows of bundles are written most, so they have a trigger of their own, in place of the general one of 0040: it names the
-- owner from its columns, without turning whole rows into JSON, and names it once if an update leaves it the same. What is
-- said is the same, and so is the silence about what an import has said already.

create function announce_bundle() returns trigger language plpgsql as $$
declare
    changed text := coalesce(current_setting('credenza.changed', true), '');
begin
    if tg_op <> 'INSERT' and position(E'\nbundles ' || old.account_id || E'\n' in changed) = 0 then
        perform announce_change('bundle ' || old.account_id || ' ' || old.supplier_code);
    end if;
    if tg_op <> 'DELETE' and position(E'\nbundles ' || new.account_id || E'\n' in changed) = 0
        and (tg_op = 'INSERT' or (new.account_id, new.supplier_code) <> (old.account_id, old.supplier_code))
    then
        perform announce_change('bundle ' || new.account_id || ' ' || new.supplier_code);
    end if;
    return null;
end $$;

drop trigger supplier_credentials_announce on supplier_credentials;
create trigger supplier_credentials_announce after insert or update or delete on supplier_credentials
    for each row execute function announce_bundle();
drop trigger service_credentials_announce on service_credentials;
create trigger service_credentials_announce after insert or update or delete on service_credentials
    for each row execute function announce_bundle();
