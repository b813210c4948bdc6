-- The manifest of an account: the places that it has filled, by supplier, under a MAC (src/rights/manifest/). A pair is bound to its
-- place by its seal, and absence has no seal: without the manifest a call to a place that somebody emptied would use another login.
--
-- `credenza migrate` makes the manifests of accounts that are older, once (src/rights/mod.rs).

create table credential_manifests (
    account_id bigint not null,
    -- Both of one length; suppliers in order.
    suppliers  text[] collate "C" not null default '{}',
    -- Bits of src/rights/manifest/places.rs.
    places     integer[] not null default '{}',
    mac        bytea,
    constraint credential_manifests_pkey primary key (account_id),
    constraint credential_manifests_account_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint credential_manifests_of_one_length check (cardinality(suppliers) = cardinality(places))
);
select protect_tenant_rows('credential_manifests');

-- Up to which version of the MACs older rows are authenticated. 1 are those of 0070.
alter table authenticated_rights add column version integer not null default 1;
-- A new installation has no older rows.
insert into authenticated_rights select now(), 2 where not exists (select from accounts where id <> 0);

-- As account_bundle, which instances of before go on calling, with the manifest in a row of its own: a statement is one moment, so
-- the two cannot differ because of a write in between.
create function account_bundle_and_manifest(account bigint, supplier text)
returns table (
    suppliers text[], places integer[], mac bytea,
    staging_username bytea, staging_password bytea, production_username bytea, production_password bytea,
    service text, environment text, username text, password bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select m.suppliers, m.places, m.mac, null::bytea, null::bytea, null::bytea, null::bytea, null, null, null, null::bytea
        from credential_manifests m where m.account_id = account
        union all
        select null, null, null, b.staging_username, b.staging_password, b.production_username, b.production_password,
            s.service, s.environment, s.username, s.password
        from supplier_credentials b
        left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
        where b.account_id = account and b.supplier_code = supplier;
    inside := set_config('credenza.account_id', outside, true);
end $$;
