insert into audit_events (account_id, sequence, occurred_at, action, supplier_code, request_id, mac) values
    (7, 1, '2026-01-02T03:04:05Z', 'account.created', null, null, '\x6c5c522db967d68bb2393382dfe0469732a32cabe071906b4185028069e54069'),
    (7, 2, '2026-01-02T03:04:05Z', 'credentials.created', 'HIT', 'request-1', '\xebadd1dcbc590218680712e29ea67cf14339deb8d04628b2a4d6fa6c6b93c42a');
insert into audit_heads (account_id, sequence, mac) values (7, 2, '\xebadd1dcbc590218680712e29ea67cf14339deb8d04628b2a4d6fa6c6b93c42a');
