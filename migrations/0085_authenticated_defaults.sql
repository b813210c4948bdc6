-- MACs, as in 0070, for the rest of what gives rights: for what a default login may be used, how long a signing key signs and
-- verifies, and who a user is.

alter table default_credentials add column mac bytea;
alter table signing_keys add column mac bytea;
alter table users add column mac bytea;

-- A new installation has no older rows.
insert into authenticated_rights select now(), 3
    where not exists (select from accounts where id <> 0)
        and not exists (select from default_credentials) and not exists (select from signing_keys);
