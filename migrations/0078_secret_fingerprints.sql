-- Fingerprints of the installation's secrets, each left when the secret was first used with this database: a keyed check
-- value, from which nobody learns anything about the secret. Whoever comes with another one is told before the first write.

create table secret_fingerprints (
    -- `key pepper`, `audit key`, or `key-encryption key <name>`.
    secret        text not null,
    -- A MAC under the secret; of a key-encryption key a random value that it wrapped.
    fingerprint   bytea not null,
    -- Of a key-encryption key: its id, with the version of a key service's key.
    kek_id        text,
    first_used_at timestamptz not null,
    constraint secret_fingerprints_pkey primary key (secret)
);
