-- The operator's shared logins: the last level of the hierarchy, each with the services it may serve.

create table default_credentials (
    supplier_code text collate "C" not null,
    environment   text not null,
    services      text[] not null,
    username      bytea not null,
    password      bytea not null,
    created_at    timestamptz not null,
    modified_on   timestamptz not null,
    constraint default_credentials_pkey primary key (supplier_code, environment),
    constraint default_credentials_supplier_fkey
        foreign key (supplier_code) references suppliers (code) on delete cascade,
    constraint default_credentials_environment_known check (environment in ('STAGING', 'PROD')),
    constraint default_credentials_services_known
        check (services <@ array['Product', 'MED', 'INV', 'PPC', 'PO', 'OSN', 'OSTAT', 'Invoice'])
);
