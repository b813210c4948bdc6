-- Changes of data keys are announced once for a statement, and not row by row: a rewrapping changes every data key of the
-- installation, and an account has many. The words are the same, `account <id>` for each account that a change concerns,
-- and as ever a change of very many is announced as `everything`.

-- The accounts of the data keys that are not before the statement what they are after it, or the other way round. How often
-- a data key has sealed concerns nobody (0031).
create function announce_data_keys() returns trigger language plpgsql as $$
declare
    accounts bigint[];
begin
    if tg_op = 'INSERT' then
        accounts := array(select distinct account_id from changed);
    elsif tg_op = 'DELETE' then
        accounts := array(select distinct account_id from previous);
    else
        accounts := array(
            select account_id from (
                select account_id, generation, kek_id, wrapped, created_at from previous
                except select account_id, generation, kek_id, wrapped, created_at from changed) gone
            union
            select account_id from (
                select account_id, generation, kek_id, wrapped, created_at from changed
                except select account_id, generation, kek_id, wrapped, created_at from previous) come);
    end if;
    perform announce_change('account ' || account) from unnest(accounts) account;
    return null;
end $$;

drop trigger data_keys_announce on data_keys;
create trigger data_keys_insert_announce after insert on data_keys
    referencing new table as changed for each statement execute function announce_data_keys();
create trigger data_keys_update_announce after update on data_keys
    referencing old table as previous new table as changed for each statement execute function announce_data_keys();
create trigger data_keys_delete_announce after delete on data_keys
    referencing old table as previous for each statement execute function announce_data_keys();
