-- Announce every change of a row that instances cache, whoever makes it: the service, the command line, or a person
-- with psql. Postgres delivers the messages at commit, in commit order, and folds equal ones of a transaction into one.
--
-- The payload names the owner whose cached entries are void (src/cluster/owner.rs reads it):
--   bundle <account_id> <supplier_code>   the credentials of one account and supplier
--   supplier <code>                       the directory entry and its default credentials
--   account <id>                          an account's status and its data keys
--   key <first 16 hex digits of the hash> an API key
--   everything                            every entry
--
-- Later migrations add owners of their own in the same way.

-- The arguments are the first word of the message and the columns that name the owner. A change of these columns
-- concerns the owner before it and the one after it.
create function announce() returns trigger language plpgsql as $$
declare
    images jsonb[] := case tg_op
        when 'INSERT' then array[to_jsonb(new)]
        when 'DELETE' then array[to_jsonb(old)]
        else array[to_jsonb(old), to_jsonb(new)]
    end;
    image jsonb;
    message text;
begin
    foreach image in array images loop
        message := tg_argv[0];
        for argument in 1 .. tg_nargs - 1 loop
            message := message || ' ' || (image ->> tg_argv[argument]);
        end loop;
        perform pg_notify('credenza_changes', message);
    end loop;
    return null;
end $$;

create function announce_key() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        perform pg_notify('credenza_changes', 'key ' || left(encode(old.hash, 'hex'), 16));
    end if;
    if tg_op <> 'DELETE' then
        perform pg_notify('credenza_changes', 'key ' || left(encode(new.hash, 'hex'), 16));
    end if;
    return null;
end $$;

create trigger supplier_credentials_announce after insert or update or delete on supplier_credentials
    for each row execute function announce('bundle', 'account_id', 'supplier_code');
create trigger service_credentials_announce after insert or update or delete on service_credentials
    for each row execute function announce('bundle', 'account_id', 'supplier_code');
create trigger suppliers_announce after insert or update or delete on suppliers
    for each row execute function announce('supplier', 'code');
create trigger default_credentials_announce after insert or update or delete on default_credentials
    for each row execute function announce('supplier', 'supplier_code');
create trigger accounts_announce after insert or update or delete on accounts
    for each row execute function announce('account', 'id');
create trigger api_keys_announce after insert or update or delete on api_keys
    for each row execute function announce_key();
-- A new data key concerns nobody yet.
create trigger data_keys_announce after update or delete on data_keys
    for each row execute function announce('account', 'account_id');

-- A user's address is part of what is cached of its keys. It changes so rarely that naming the entries would not pay.
create trigger users_announce after update or delete on users
    for each statement execute function announce('everything');

create trigger supplier_credentials_announce_truncate after truncate on supplier_credentials
    for each statement execute function announce('everything');
create trigger service_credentials_announce_truncate after truncate on service_credentials
    for each statement execute function announce('everything');
create trigger suppliers_announce_truncate after truncate on suppliers
    for each statement execute function announce('everything');
create trigger default_credentials_announce_truncate after truncate on default_credentials
    for each statement execute function announce('everything');
create trigger accounts_announce_truncate after truncate on accounts
    for each statement execute function announce('everything');
create trigger api_keys_announce_truncate after truncate on api_keys
    for each statement execute function announce('everything');
create trigger users_announce_truncate after truncate on users
    for each statement execute function announce('everything');
create trigger data_keys_announce_truncate after truncate on data_keys
    for each statement execute function announce('everything');
