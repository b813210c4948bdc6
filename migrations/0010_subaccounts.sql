-- Sub-accounts: accounts with a parent, which provisions them under an id of its own.

alter table accounts
    add column external_customer_id text,
    add column organization_contact_email text,
    add column account_notes text,
    -- Where browsers may use the account's public keys from.
    add column allowed_origins text[] not null default '{}',
    -- Also among inactive ones.
    add constraint accounts_external_customer_id_unique unique (parent_id, external_customer_id),
    add constraint accounts_subaccount_is_provisioned check (parent_id is null or external_customer_id is not null),
    add constraint accounts_external_customer_id_length check (char_length(external_customer_id) between 1 and 255),
    add constraint accounts_contact_length check (char_length(organization_contact_email) between 3 and 255),
    add constraint accounts_notes_length check (char_length(account_notes) <= 2000);

create index accounts_allowed_origins_idx on accounts using gin (allowed_origins);

-- A person's password, for the console: an argon2id string. Null for those who only own keys.
alter table users add column password_hash text;
