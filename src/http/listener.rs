//! The two listeners.

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Serves tenants.
    Public,
    /// Serves programs that call suppliers.
    Internal,
}

impl Listener {
    /// The label of its metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Listener::Public => "public",
            Listener::Internal => "internal",
        }
    }
}
