//! The names of all settings, so that one that is misspelt is noticed instead of left unused.

use super::Source;

/// Every variable that some command reads. A test compares the list with the sources, the README and `.env.example`.
pub const NAMES: &[&str] = &[
    "CREDENZA_AUDIT_BACKLOG",
    "CREDENZA_AUDIT_KEY",
    "CREDENZA_AUDIT_KEY_FILE",
    "CREDENZA_AUDIT_RESOLVES",
    "CREDENZA_CACHE_BYTES",
    "CREDENZA_CACHE_TTL",
    "CREDENZA_CALL_CACHE_BYTES",
    "CREDENZA_DATABASE_CONNECTIONS",
    "CREDENZA_DRAIN_LIMIT",
    "CREDENZA_IDLE_TIMEOUT",
    "CREDENZA_INSTANCE_NAME",
    "CREDENZA_INTERNAL_LISTEN",
    "CREDENZA_INTERNAL_RATE_LIMIT",
    "CREDENZA_INTERNAL_TLS_CERT",
    "CREDENZA_INTERNAL_TLS_CLIENT_CA",
    "CREDENZA_INTERNAL_TLS_KEY",
    "CREDENZA_KEY_ENCRYPTION_KEYS",
    "CREDENZA_KEY_ENCRYPTION_KEYS_FILE",
    "CREDENZA_KEY_PEPPER",
    "CREDENZA_KEY_PEPPER_FILE",
    "CREDENZA_LEASE",
    "CREDENZA_LISTEN",
    "CREDENZA_LISTENER_DATABASE_URL",
    "CREDENZA_LOG",
    "CREDENZA_LOG_FORMAT",
    "CREDENZA_MAX_BODY_BYTES",
    "CREDENZA_MAX_CONNECTIONS",
    "CREDENZA_MAX_IN_FLIGHT",
    "CREDENZA_MIGRATION_DATABASE_URL",
    "CREDENZA_OIDC_ACCOUNT_CLAIM",
    "CREDENZA_OIDC_AUDIENCE",
    "CREDENZA_OIDC_ISSUER",
    "CREDENZA_OIDC_JWKS_FILE",
    "CREDENZA_OIDC_JWKS_URL",
    "CREDENZA_OIDC_MADE_KEYS_LAST",
    "CREDENZA_OTLP_ENDPOINT",
    "CREDENZA_POSTGRES_BIN",
    "CREDENZA_PUBLIC_URL",
    "CREDENZA_RATE_LIMIT",
    "CREDENZA_REQUEST_TIMEOUT",
    "CREDENZA_SERVE_STALE_FOR",
    "CREDENZA_SHUTDOWN_GRACE",
    "CREDENZA_SUPPLIER_CA_FILE",
    "CREDENZA_TLS_CERT",
    "CREDENZA_TLS_KEY",
    "CREDENZA_TRANSIT_ADDR",
    "CREDENZA_TRANSIT_CA_FILE",
    "CREDENZA_TRANSIT_KEY",
    "CREDENZA_TRANSIT_MOUNT",
    "CREDENZA_TRANSIT_NAMESPACE",
    "CREDENZA_TRANSIT_TOKEN_FILE",
    "CREDENZA_TRUSTED_PROXIES",
    "DATABASE_URL",
];

/// A variable that looks like a setting and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The variable.
    pub name: String,
    /// The setting whose name is closest, if one is close.
    pub closest: Option<&'static str>,
}

/// Variables that begin like ours and that nothing reads, in order.
pub fn unknown(source: &Source) -> Vec<Unknown> {
    let is_unknown = |name: &&str| {
        name.starts_with("CREDENZA_")
            && !NAMES.contains(name)
            && !name.starts_with("CREDENZA_TEST")
            && !source.get(name).is_some_and(|value| is_service_link(name, value))
    };
    let mut names: Vec<_> = source.names().filter(is_unknown).collect();
    names.sort_unstable();
    names.into_iter().map(|name| Unknown { closest: closest(name), name: name.to_owned() }).collect()
}

/// Kubernetes sets variables about every service of its namespace; of one that is called `credenza` they begin like ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_port = name.ends_with("_PORT") && ["tcp://", "udp://"].iter().any(|scheme| value.starts_with(scheme));
    name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.contains("_PORT_") || is_port
}

/// The setting that was most likely meant: at most every fourth character differs.
fn closest(name: &str) -> Option<&'static str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    NAMES.iter().min_by_key(|known| distance(known)).filter(|known| distance(known) <= name.len() / 4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_reported_with_the_closest_one() {
        let source = Source::from_pairs([
            ("CREDENZA_TLS_CRET", "x"),
            ("CREDENZA_CACHE_SIZE", "x"),
            ("CREDENZA_SOMETHING_ELSE_ENTIRELY", "x"),
            ("CREDENZA_LISTEN", "127.0.0.1:0"),
            ("CREDENZA_TEST_MUTANT", "x"),
            ("CREDENZA_SERVICE_HOST", "10.0.0.1"),
            ("CREDENZA_PORT", "tcp://10.0.0.1:80"),
            ("CREDENZA_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("CREDENZA_INTERNAL_SERVICE_PORT", "80"),
            ("PATH", "/bin"),
        ]);
        let found: Vec<_> = unknown(&source).into_iter().map(|unknown| (unknown.name, unknown.closest)).collect();
        let expected = [
            ("CREDENZA_CACHE_SIZE", Some("CREDENZA_CACHE_BYTES")),
            ("CREDENZA_SOMETHING_ELSE_ENTIRELY", None),
            ("CREDENZA_TLS_CRET", Some("CREDENZA_TLS_CERT")),
        ];
        assert_eq!(found, expected.map(|(name, closest)| (name.to_owned(), closest)));
    }
}
