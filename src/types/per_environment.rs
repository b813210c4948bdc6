//! A value for each environment.

use std::ops::{Index, IndexMut};

use super::Environment;

/// A value for each environment, found by the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerEnvironment<T> {
    /// That of staging.
    pub staging: T,
    /// That of production.
    pub production: T,
}

impl<T> Index<Environment> for PerEnvironment<T> {
    type Output = T;

    fn index(&self, environment: Environment) -> &T {
        match environment {
            Environment::Staging => &self.staging,
            Environment::Production => &self.production,
        }
    }
}

impl<T> IndexMut<Environment> for PerEnvironment<T> {
    fn index_mut(&mut self, environment: Environment) -> &mut T {
        match environment {
            Environment::Staging => &mut self.staging,
            Environment::Production => &mut self.production,
        }
    }
}
