-- Run by migrate.rs with the role's name and password in two settings of the transaction.
do $$
declare
    application text := current_setting('credenza.role');
    password    text := current_setting('credenza.password');
    setting     text;
begin
    -- Nobody may do anything who was not given the right. A role that reads for reports gets `connect` and what it needs.
    execute format('revoke connect, temporary on database %I from public', current_database());
    revoke execute on all functions in schema public from public;
    if application = current_user then
        return;
    end if;
    if not exists (select from pg_roles where rolname = application) then
        execute format(
            'create role %I login nosuperuser nobypassrls nocreatedb nocreaterole password %L',
            application, nullif(password, ''));
    end if;
    execute format('grant connect on database %I to %I', current_database(), application);
    execute format('grant usage on schema public to %I', application);
    execute format('grant execute on all functions in schema public to %I', application);
    execute format('grant select, insert, update, delete on all tables in schema public to %I', application);
    execute format('grant usage on all sequences in schema public to %I', application);
    execute format('revoke insert, update, delete on _sqlx_migrations from %I', application);
    -- Older rows are authenticated once, and not again because somebody says so.
    execute format('revoke insert, update, delete on authenticated_rights from %I', application);
    -- Evidence is only ever added to.
    execute format('revoke update, delete on audit_events from %I', application);
    execute format('revoke delete on audit_heads from %I', application);
    execute format('revoke insert, update, delete on audit_former_writers from %I', application);
    -- The same limits as in with_limits (limits.rs), for sessions through a pooler, which does not pass on what a client asks for
    -- when it connects.
    begin
        foreach setting in array array[
            'statement_timeout = ''10s''', 'lock_timeout = ''10s''', 'idle_in_transaction_session_timeout = ''10s''',
            'default_transaction_isolation = ''read committed'''
        ] loop
            execute format('alter role %I in database %I set %s', application, current_database(), setting);
        end loop;
    exception when insufficient_privilege then
        raise warning 'the owner may not set the limits of role %: let an administrator, or the role itself, say alter role % in database % set statement_timeout = ''10s'', and so for lock_timeout and idle_in_transaction_session_timeout', application, quote_ident(application), quote_ident(current_database());
    end;
end $$;
