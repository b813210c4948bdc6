//! Messages made from the tables, for tests and simulated suppliers.
