-- How much a data key has sealed: an estimate that is right on average (src/vault/retirement.rs), so that most writes do
-- not count at all.

alter table data_keys add column seals bigint not null default 0;

-- Instances remember which data key is an account's newest, so a new one concerns them; the count does not.
drop trigger data_keys_announce on data_keys;
create trigger data_keys_announce
    after insert or delete or update of account_id, generation, kek_id, wrapped, created_at on data_keys
    for each row execute function announce('account', 'account_id');
