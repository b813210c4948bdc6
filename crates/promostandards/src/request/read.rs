//! Reads a request, as a supplier does.
