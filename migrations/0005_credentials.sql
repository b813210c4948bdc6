-- What a tenant stores. Sealed columns are bytea in the form of src/vault/sealed.rs; a half pair cannot be stored.

create table supplier_credentials (
    account_id          bigint not null,
    supplier_code       text collate "C" not null,
    staging_username    bytea,
    staging_password    bytea,
    production_username bytea,
    production_password bytea,
    created_at          timestamptz not null,
    created_by          text not null,
    modified_on         timestamptz not null,
    modified_by         text not null,
    constraint supplier_credentials_pkey primary key (account_id, supplier_code),
    constraint supplier_credentials_account_fkey
        foreign key (account_id) references accounts (id) on delete cascade,
    -- No cascade: a supplier with credentials cannot be removed from the directory.
    constraint supplier_credentials_supplier_fkey foreign key (supplier_code) references suppliers (code),
    constraint supplier_credentials_staging_whole check ((staging_username is null) = (staging_password is null)),
    constraint supplier_credentials_production_whole
        check ((production_username is null) = (production_password is null))
);

create table service_credentials (
    account_id    bigint not null,
    supplier_code text collate "C" not null,
    service       text not null,
    environment   text not null,
    -- In clear, because the API returns it; but bound into the password's seal.
    username      text not null,
    password      bytea not null,
    created_at    timestamptz not null,
    created_by    text not null,
    modified_on   timestamptz not null,
    modified_by   text not null,
    constraint service_credentials_pkey primary key (account_id, supplier_code, service, environment),
    constraint service_credentials_parent_fkey
        foreign key (account_id, supplier_code)
        references supplier_credentials (account_id, supplier_code) on delete cascade,
    constraint service_credentials_service_known
        check (service in ('Product', 'MED', 'INV', 'PPC', 'PO', 'OSN', 'OSTAT', 'Invoice')),
    constraint service_credentials_environment_known check (environment in ('STAGING', 'PROD'))
);
