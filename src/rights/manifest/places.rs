//! Places of an account's credentials for one supplier, as a set.

use crate::types::{Environment, Service};

/// A set of places: base pairs by environment, service pairs by service and environment. The bits are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places(i32);

impl Places {
    /// Every place of a supplier.
    pub const EVERY: Places = Places((1 << 18) - 1);

    /// The base pair of an environment.
    pub fn base(environment: Environment) -> Self {
        Self(1 << bit_of(environment))
    }

    /// The pair of a service and environment.
    pub fn service(service: Service, environment: Environment) -> Self {
        let number = match service {
            Service::Product => 1,
            Service::Med => 2,
            Service::Inv => 3,
            Service::Ppc => 4,
            Service::Po => 5,
            Service::Osn => 6,
            Service::Ostat => 7,
            Service::Invoice => 8,
        };
        Self(1 << (2 * number + bit_of(environment)))
    }

    /// The set of these bits.
    pub(super) fn of_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// The bits to store.
    pub(super) fn bits(self) -> i32 {
        self.0
    }

    /// Whether any of these is in the set.
    pub fn has(self, places: Places) -> bool {
        self.0 & places.0 != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets.
    #[must_use]
    pub fn with(self, places: Places) -> Self {
        Self(self.0 | places.0)
    }

    /// The set without these.
    #[must_use]
    pub fn without(self, places: Places) -> Self {
        Self(self.0 & !places.0)
    }
}

fn bit_of(environment: Environment) -> u32 {
    match environment {
        Environment::Staging => 0,
        Environment::Production => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_bit_of_its_own() {
        let base = Environment::ALL.map(Places::base);
        let services =
            Service::ALL.into_iter().flat_map(|service| Environment::ALL.map(|e| Places::service(service, e)));
        let (mut all, mut count) = (Places::default(), 0);
        for place in base.into_iter().chain(services) {
            assert!(!all.has(place));
            all = all.with(place);
            count += 1;
        }
        assert_eq!((all, count), (Places::EVERY, 18));
        assert_eq!(Places::EVERY.without(Places::base(Environment::Staging)).bits(), 0x3fffe);
    }
}
