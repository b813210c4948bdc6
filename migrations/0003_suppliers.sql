-- The operator's supplier directory. Codes are compared byte by byte: 'HIT' and 'hit' are two suppliers.

create table suppliers (
    code              text collate "C" not null,
    name              text not null,
    -- Services that the operator's default credentials never serve for this supplier, whatever their own list says.
    excluded_services text[] not null default '{}',
    created_at        timestamptz not null,
    modified_on       timestamptz not null,
    constraint suppliers_pkey primary key (code),
    constraint suppliers_code_length check (char_length(code) between 1 and 255),
    constraint suppliers_name_length check (char_length(name) between 1 and 255),
    constraint suppliers_services_known
        check (excluded_services <@ array['Product', 'MED', 'INV', 'PPC', 'PO', 'OSN', 'OSTAT', 'Invoice'])
);
