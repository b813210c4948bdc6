-- Evidence: one event per changed row, written in the transaction of the change. An account's events are numbered
-- without gaps and each carries an HMAC over itself and its predecessor's, under a key that is not in the database.

create table audit_events (
    account_id        bigint not null,
    sequence          bigint not null,
    occurred_at       timestamptz not null,
    action            text not null,
    -- Who: the account whose key was used (differs from account_id when a parent acts for a sub-account), the user
    -- behind the key, the key. All null when the operator acted on the command line.
    acting_account_id bigint,
    user_email        text,
    key_id            uuid,
    supplier_code     text,
    service           text,
    environment       text,
    -- The key, client or user that the event is about, if it is about one.
    subject_id        uuid,
    request_id        text,
    client_address    text,
    mac               bytea not null,
    -- No foreign key to accounts: evidence outlives what it is about.
    constraint audit_events_pkey primary key (account_id, sequence),
    constraint audit_events_mac_length check (octet_length(mac) = 32)
);

-- The end of each account's chain. Its row lock puts an account's events in order.
create table audit_heads (
    account_id bigint not null,
    sequence   bigint not null,
    mac        bytea not null,
    constraint audit_heads_pkey primary key (account_id)
);
