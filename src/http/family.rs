//! Families of paths: each is an API that looks the same to its clients.
//!
//! To add one: a variant and its prefixes here (the compiler then names what else it needs), a file in `dialect/`, a folder
//! with its handlers, and a line in `routes.rs`.

use std::time::Duration;

use crate::auth::Scheme;
use crate::suppliers::endpoints::LONGEST_TIMEOUT;

/// Longer than any call to a supplier.
const LONGEST_CALL: Duration = LONGEST_TIMEOUT.saturating_add(Duration::from_mins(1));

/// A family of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Our own API, on both listeners; also every path that belongs to no other family.
    Native,
    /// The token endpoints (RFC 6749, 7009, 7662).
    OAuth,
    /// Calls to suppliers, which take as long as a supplier does.
    Calls,
}

/// The prefixes of every family but the native one. A prefix ends at a slash or at the path's end.
const PREFIXES: [(&str, Family); 6] = [
    ("/oauth", Family::OAuth),
    ("/v1.0.0", Family::Calls),
    ("/v1.1.0", Family::Calls),
    ("/v1.2.1", Family::Calls),
    ("/v2.0.0", Family::Calls),
    ("/v2", Family::Calls),
];

impl Family {
    /// Every family.
    pub const ALL: [Family; 3] = [Family::Native, Family::OAuth, Family::Calls];

    /// Returns the family of a path, also of one that does not exist.
    pub fn of(path: &str) -> Self {
        let is_below =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        PREFIXES.iter().find(|(prefix, _)| is_below(prefix)).map_or(Family::Native, |(_, family)| *family)
    }

    /// Its name, under which answers are stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Family::Native => "native",
            Family::OAuth => "oauth",
            Family::Calls => "calls",
        }
    }

    /// The ways of presenting a caller that it takes, in the order in which they are tried.
    pub const fn schemes(self) -> &'static [Scheme] {
        match self {
            Family::Native => &[Scheme::ApiKey, Scheme::Authorization],
            // A client presents itself, in a request of its own form.
            Family::OAuth => &[],
            // HTTP Basic is a login for the supplier.
            Family::Calls => &[Scheme::ApiKey, Scheme::Bearer],
        }
    }

    /// The longest time for one of its requests, body included; the operator's setting unless it has its own.
    pub const fn time_limit(self, setting: Duration) -> Duration {
        match self {
            Family::Native | Family::OAuth => setting,
            // Each call ends by the time of its endpoint.
            Family::Calls => LONGEST_CALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_slash_or_at_the_end() {
        for path in ["/oauth", "/oauth/", "/oauth/token", "/oauth/nothing"] {
            assert_eq!(Family::of(path), Family::OAuth, "{path}");
        }
        for path in ["", "/", "/oauthx", "/extra/v2/oauth-clients", "/me/oauth", "//oauth"] {
            assert_eq!(Family::of(path), Family::Native, "{path}");
        }
    }
}
