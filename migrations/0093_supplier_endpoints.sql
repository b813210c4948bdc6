-- Where the service of a supplier is reached: the operator's table. Nothing else names an address that the service connects to.
-- One row for each supplier, service, version and environment; without a row there is no call.

create table supplier_endpoints (
    supplier_code   text collate "C" not null,
    -- The codes of credentials, and those of the standard's services that have no credentials of their own (PDC, CD, RA).
    service         text not null,
    version         text not null,
    environment     text not null,
    url             text not null,
    -- In place of the operation's own.
    soap_action     text,
    -- The whole call, in seconds.
    timeout_seconds integer not null,
    -- Calls of the supplier's host that are under way at once.
    concurrency     integer not null,
    -- Whether the address may be private, and the URL plain http.
    allow_private   boolean not null,
    created_at      timestamptz not null,
    modified_on     timestamptz not null,
    -- Over the row (src/rights): an address that the application's role wrote by itself is not connected to.
    mac             bytea,
    constraint supplier_endpoints_pkey primary key (supplier_code, service, version, environment),
    constraint supplier_endpoints_supplier_fkey
        foreign key (supplier_code) references suppliers (code) on delete cascade,
    constraint supplier_endpoints_environment_known check (environment in ('STAGING', 'PROD')),
    constraint supplier_endpoints_url_length check (char_length(url) between 1 and 2048),
    constraint supplier_endpoints_timeout_range check (timeout_seconds between 1 and 600),
    constraint supplier_endpoints_concurrency_range check (concurrency between 1 and 10000)
);

create trigger supplier_endpoints_announce after insert or update or delete on supplier_endpoints
    for each row execute function announce('supplier', 'supplier_code');
create trigger supplier_endpoints_announce_truncate after truncate on supplier_endpoints
    for each statement execute function announce('everything');
