//! The `PromoStandards` services that a pair can be for, and the two environments.

use std::fmt;

use serde::Serialize;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres};

/// A `PromoStandards` service. The order is the one in which service credentials are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Service {
    /// Product data.
    Product,
    /// Media content.
    #[serde(rename = "MED")]
    Med,
    /// Inventory.
    #[serde(rename = "INV")]
    Inv,
    /// Product pricing and configuration.
    #[serde(rename = "PPC")]
    Ppc,
    /// Purchase order.
    #[serde(rename = "PO")]
    Po,
    /// Order shipment notification.
    #[serde(rename = "OSN")]
    Osn,
    /// Order status.
    #[serde(rename = "OSTAT")]
    Ostat,
    /// Invoice.
    Invoice,
}

/// The services of a default login if the operator names none: only services that read public data. An order, an order
/// status, a shipment notice or an invoice never runs under a shared login unless the operator chooses it.
pub const DEFAULT_SERVICES: [Service; 4] = [Service::Product, Service::Med, Service::Inv, Service::Ppc];

impl Service {
    /// Every service, in listing order.
    pub const ALL: [Service; 8] = [
        Service::Product,
        Service::Med,
        Service::Inv,
        Service::Ppc,
        Service::Po,
        Service::Osn,
        Service::Ostat,
        Service::Invoice,
    ];

    /// The spellings of `PromoStandards` itself that are read as well.
    pub const ALIASES: [&str; 2] = ["ODRSTAT", "INVC"];

    /// Reads a code, case-sensitively. The spellings of `PromoStandards` itself, `ODRSTAT` and `INVC`, mean `OSTAT` and
    /// `Invoice`: one service never has two rows.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "ODRSTAT" => Some(Service::Ostat),
            "INVC" => Some(Service::Invoice),
            _ => Self::ALL.into_iter().find(|service| service.as_str() == code),
        }
    }

    /// The code that is stored and returned.
    pub const fn as_str(self) -> &'static str {
        match self {
            Service::Product => "Product",
            Service::Med => "MED",
            Service::Inv => "INV",
            Service::Ppc => "PPC",
            Service::Po => "PO",
            Service::Osn => "OSN",
            Service::Ostat => "OSTAT",
            Service::Invoice => "Invoice",
        }
    }

    /// Its name in sentences.
    pub const fn description(self) -> &'static str {
        match self {
            Service::Product => "Product Data Service",
            Service::Med => "Media Content Service",
            Service::Inv => "Inventory Service",
            Service::Ppc => "Product Pricing & Configuration",
            Service::Po => "Purchase Order Service",
            Service::Osn => "Order Shipment Notification",
            Service::Ostat => "Order Status Service",
            Service::Invoice => "Invoice Service",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a supplier's two systems a pair is for. `PROD` is listed before `STAGING`; neither ever stands in for the
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Environment {
    /// Production.
    #[serde(rename = "PROD")]
    Production,
    /// Staging.
    #[serde(rename = "STAGING")]
    Staging,
}

impl Environment {
    /// Both, in listing order.
    pub const ALL: [Environment; 2] = [Environment::Production, Environment::Staging];

    /// Reads a code, case-sensitively.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == code)
    }

    /// The code that is stored and returned.
    pub const fn as_str(self) -> &'static str {
        match self {
            Environment::Production => "PROD",
            Environment::Staging => "STAGING",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored code that this version does not know: the database was written by something else.
#[derive(Debug, thiserror::Error)]
#[error("unknown {0} code in the database")]
struct UnknownCode(&'static str);

/// A word that is stored as its code: read without a string of its own for each, also many in one array.
macro_rules! stored_as_code {
    ($word:ident, $name:literal) => {
        impl sqlx::Type<Postgres> for $word {
            fn type_info() -> PgTypeInfo {
                <str as sqlx::Type<Postgres>>::type_info()
            }

            fn compatible(stored: &PgTypeInfo) -> bool {
                <str as sqlx::Type<Postgres>>::compatible(stored)
            }
        }

        impl PgHasArrayType for $word {
            fn array_type_info() -> PgTypeInfo {
                <String as PgHasArrayType>::array_type_info()
            }
        }

        impl Decode<'_, Postgres> for $word {
            fn decode(stored: PgValueRef<'_>) -> Result<Self, BoxDynError> {
                Ok(Self::parse(stored.as_str()?).ok_or(UnknownCode($name))?)
            }
        }
    };
}
stored_as_code!(Service, "service");
stored_as_code!(Environment, "environment");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_both_promostandards_spellings_are_folded() {
        for service in Service::ALL {
            assert_eq!(Service::parse(service.as_str()), Some(service));
            assert_eq!(serde_json::to_value(service).unwrap(), service.as_str());
        }
        for environment in Environment::ALL {
            assert_eq!(Environment::parse(environment.as_str()), Some(environment));
            assert_eq!(serde_json::to_value(environment).unwrap(), environment.as_str());
        }
        assert_eq!(Service::parse("ODRSTAT"), Some(Service::Ostat));
        assert_eq!(Service::parse("INVC"), Some(Service::Invoice));
        for wrong in ["product", "INVOICE", "Inv", "", "prod"] {
            assert_eq!(Service::parse(wrong), None);
        }
        for wrong in ["prod", "Prod", "PRODUCTION", "staging", ""] {
            assert_eq!(Environment::parse(wrong), None);
        }
    }

    #[test]
    fn the_listing_order_is_the_declared_order() {
        assert!(Service::ALL.is_sorted());
        assert!(Environment::ALL.is_sorted());
    }
}
