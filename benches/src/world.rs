//! What is stored: accounts with a key each, and credentials of every account for every supplier. All of it follows from
//! numbers, so that whoever asks knows the answers, and the floor serves the same ones.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Accounts and suppliers; every pair of them is an entry.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct World {
    /// The accounts, each with a key.
    pub tenants: Vec<Tenant>,
    /// The suppliers' codes.
    pub suppliers: Vec<String>,
}

/// An account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tenant {
    /// Its id.
    pub account: i64,
    /// A key of its own, which may read, write and resolve.
    pub key: String,
}

impl World {
    /// The code of a supplier, from 1.
    pub fn supplier(number: usize) -> String {
        format!("S{number:05}")
    }

    /// The code of a supplier that nobody has credentials for, and the operator default ones; from 1.
    pub fn supplier_with_default(number: usize) -> String {
        format!("D{number:05}")
    }

    /// Every account with every supplier.
    pub fn entries(&self) -> impl Iterator<Item = (&Tenant, &str)> {
        self.tenants.iter().flat_map(|tenant| self.suppliers.iter().map(move |supplier| (tenant, supplier.as_str())))
    }

    /// For a program that serves the same.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_vec(self)?)?)
    }

    /// What [`World::write`] wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// The user name that an account has with a supplier.
pub fn username(account: i64, supplier: &str) -> String {
    format!("integration-{account}@{supplier}.example")
}

/// Its password.
pub fn password(account: i64, supplier: &str) -> String {
    format!("correct horse battery {account} {supplier}")
}
