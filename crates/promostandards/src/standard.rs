//! All tables together.

use std::sync::Arc;

use crate::codes::Codes;
use crate::model::{self, Service, TableError};
use crate::request::Request;
use crate::routes::{self, Route};

/// The tables, as they are compiled into the program.
const SERVICES: [(&str, &str); 16] = [
    ("CD-1.0.0.toml", include_str!("../tables/CD-1.0.0.toml")),
    ("INV-1.2.1.toml", include_str!("../tables/INV-1.2.1.toml")),
    ("INV-2.0.0.toml", include_str!("../tables/INV-2.0.0.toml")),
    ("INVC-1.0.0.toml", include_str!("../tables/INVC-1.0.0.toml")),
    ("MED-1.1.0.toml", include_str!("../tables/MED-1.1.0.toml")),
    ("ODRSTAT-1.0.0.toml", include_str!("../tables/ODRSTAT-1.0.0.toml")),
    ("ODRSTAT-2.0.0.toml", include_str!("../tables/ODRSTAT-2.0.0.toml")),
    ("OSN-1.0.0.toml", include_str!("../tables/OSN-1.0.0.toml")),
    ("OSN-2.0.0.toml", include_str!("../tables/OSN-2.0.0.toml")),
    ("OSN-2.1.0.toml", include_str!("../tables/OSN-2.1.0.toml")),
    ("PDC-1.0.0.toml", include_str!("../tables/PDC-1.0.0.toml")),
    ("PO-1.0.0.toml", include_str!("../tables/PO-1.0.0.toml")),
    ("PPC-1.0.0.toml", include_str!("../tables/PPC-1.0.0.toml")),
    ("Product-1.0.0.toml", include_str!("../tables/Product-1.0.0.toml")),
    ("Product-2.0.0.toml", include_str!("../tables/Product-2.0.0.toml")),
    ("RA-1.0.0.toml", include_str!("../tables/RA-1.0.0.toml")),
];
const ROUTES: &str = include_str!("../tables/rest.toml");
const CODES: &str = include_str!("../tables/codes.toml");

/// All tables: services, routes, codes.
#[derive(Debug)]
pub struct Standard {
    pub(crate) services: Vec<Service>,
    routes: Vec<Route>,
    pub(crate) codes: Arc<Codes>,
    versions: Vec<ServiceVersion>,
    probes: Vec<Probe>,
}

/// A version of a service that a supplier may offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceVersion {
    /// The standard's code, like `ODRSTAT`.
    pub service: String,
    /// The version, like `2.0.0`.
    pub version: String,
    /// The service's name in words.
    pub title: String,
}

/// The call that tries a login at a service version. It changes nothing at the supplier.
#[derive(Debug)]
pub struct Probe {
    /// The standard's code of the service.
    pub service: String,
    /// The version of the supplier's endpoint.
    pub version: String,
    /// The call.
    pub request: Request,
}

impl Standard {
    /// Reads the tables that the program contains. An inconsistency is an error that names the file and the entry.
    pub fn embedded() -> Result<Self, TableError> {
        Self::read(&SERVICES, ROUTES, CODES)
    }

    pub(crate) fn read(services: &[(&str, &str)], routes: &str, codes: &str) -> Result<Self, TableError> {
        let services: Vec<Service> =
            services.iter().map(|(file, text)| model::read(file, text)).collect::<Result<_, _>>()?;
        let codes = Arc::new(Codes::read(codes, &services)?);
        let (routes, calls) = routes::read(routes, &services, &codes)?;
        let mut versions: Vec<ServiceVersion> = services
            .iter()
            .map(|service| ServiceVersion {
                service: service.code.clone(),
                version: service.version.clone(),
                title: service.title.clone(),
            })
            .collect();
        // A version without a table of its own: Media Content 1.0.0.
        for variant in routes.iter().flat_map(|route| &route.variants) {
            let own =
                |one: &ServiceVersion| one.service == variant.operation.service && one.version == variant.ws_version;
            if !versions.iter().any(own) {
                let same = versions.iter().find(|one| one.service == variant.operation.service);
                let title = same.map(|one| one.title.clone()).unwrap_or_default();
                let service = variant.operation.service.clone();
                versions.push(ServiceVersion { service, version: variant.ws_version.clone(), title });
            }
        }
        versions.sort_by(|one, other| (&one.service, &one.version).cmp(&(&other.service, &other.version)));
        let mut probes = Vec::with_capacity(calls.len());
        for (at, path, query) in calls {
            let route: &Route = &routes[at];
            let path: Vec<(&str, &str)> = path.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let version = route.versions().next().unwrap_or_default();
            let request = route.request(version, &path, &query, None).map_err(|faults| {
                TableError::new("rest.toml", format!("[[probe]] {}", route.id()), format!("{faults:?}"))
            })?;
            probes.push(Probe {
                service: request.service().to_owned(),
                version: request.ws_version().to_owned(),
                request,
            });
        }
        Ok(Self { services, routes, codes, versions, probes })
    }

    /// The REST routes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Finds a route by the vendor's operation id.
    pub fn route(&self, id: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.id() == id)
    }

    /// The service versions that a supplier may offer.
    pub fn services(&self) -> &[ServiceVersion] {
        &self.versions
    }

    /// Reports whether a service version is known. Media Content 1.0.0 counts, which differs from 1.1.0 only by its `wsVersion`.
    pub fn supports(&self, service: &str, version: &str) -> bool {
        self.versions.iter().any(|one| one.service == service && one.version == version)
    }

    /// The calls that try a login, one for each service version that a route uses, the cheapest first.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// The words for a code in an answer.
    pub fn code_text(&self, service: &str, code: u16) -> Option<&str> {
        self.codes.text(service, code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_fit_together() {
        let standard = Standard::embedded().unwrap();
        assert_eq!(standard.routes().len(), 33);
        assert_eq!(standard.services.iter().map(|service| service.operations.len()).sum::<usize>(), 49);
        assert!(standard.supports("MED", "1.0.0") && standard.supports("ODRSTAT", "2.0.0"));
        assert!(!standard.supports("MED", "1.2.0") && !standard.supports("OSTAT", "2.0.0"));
        assert_eq!(standard.services().len(), 17);
    }

    /// Reads the tables with a piece of one file replaced, and returns the error.
    fn with(file: &str, piece: &str, other: &str) -> String {
        let replaced = |name: &str, text: &str| {
            assert!(name != file || text.contains(piece), "{file} has no {piece}");
            if name == file { text.replacen(piece, other, 1) } else { text.to_owned() }
        };
        let services: Vec<_> = SERVICES.iter().map(|(name, text)| (*name, replaced(name, text))).collect();
        let services: Vec<_> = services.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (routes, codes) = (replaced("rest.toml", ROUTES), replaced("codes.toml", CODES));
        Standard::read(&services, &routes, &codes).unwrap_err().to_string()
    }

    #[test]
    fn an_inconsistency_is_an_error_that_names_its_file_and_entry() {
        for (file, piece, other, error) in [
            (
                "INV-2.0.0.toml",
                "s:Filter? : Filter",
                "s:Filter? : Filters",
                "INV-2.0.0.toml: [type] GetInventoryLevelsRequest: `s:Filter? : Filters`: unknown type `Filters`",
            ),
            ("INV-2.0.0.toml", "string<uom>", "string<oum>", "no enumeration `oum`"),
            ("INV-2.0.0.toml", "s:uom", "x:uom", "is no element of a known namespace"),
            ("INV-2.0.0.toml", "\"s:value : decimal\"", "\"s:uom : decimal\"", "has the name of another field"),
            (
                "INV-2.0.0.toml",
                "\"s:Quantity : Quantity\"",
                "\"s:Quantity : quantityAvailable\"",
                "the type contains itself",
            ),
            ("INV-2.0.0.toml", "s:productId : string(1..64)", "s:productId string(1..64)", "` : ` is missing"),
            ("INV-2.0.0.toml", "(1..64)", "(1..x)", "`x` is no number"),
            (
                "INV-2.0.0.toml",
                "m:GetInventoryLevelsResponse",
                "m:GetInventoryResponse",
                "[type] GetInventoryResponse: no such type",
            ),
            ("INV-2.0.0.toml", "version = \"2.0.0\"", "version = \"2.0.1\"", "the file is not named after them"),
            ("INV-2.0.0.toml", "[type]", "[typo]", "INV-2.0.0.toml: line "),
            ("INV-2.0.0.toml", "[enum]", "[type.other]\n[enum]", "INV-2.0.0.toml: line "),
            (
                "INV-1.2.1.toml",
                "[enum]",
                "\"Extra\" = []\n[enum]",
                "INV-1.2.1.toml: [type] Extra: no operation uses the type",
            ),
            (
                "rest.toml",
                "to = \"isSellable\"",
                "to = \"isSaleable\"",
                "rest.toml: getProductSellableV100: no element `isSaleable`",
            ),
            (
                "rest.toml",
                "Product/1.0.0/getProduct\"",
                "Product/1.0.0/getProducts\"",
                "rest.toml: getProductV100: no operation `Product/1.0.0/getProducts`",
            ),
            ("rest.toml", "default = \"US\", to", "to", "nothing fills the element `localizationCountry`"),
            (
                "rest.toml",
                "at = \"Product.ProductPartArray.ProductPart\"",
                "at = \"Product.ProductPart\"",
                "nothing is at `Product.ProductPart`",
            ),
            ("rest.toml", "nulls = [\"culturePoint\"]", "nulls = [\"partId\"]", "`partId` is an element of the schema"),
            ("rest.toml", "integers = [\"width\"", "integers = [\"breadth\"", "no element `breadth`"),
            (
                "rest.toml",
                "lists = { CustomMessageArray = \"customMessage\" }",
                "lists = { productID = \"customMessage\" }",
                "is no wrapper of",
            ),
            ("rest.toml", "objects = { serviceMethod", "rename = { serviceMethods", "no element `serviceMethods`"),
            ("rest.toml", "cache = \"7d\"", "cache = \"7w\"", "`7w` is no time"),
            ("rest.toml", "SO_SEARCH = \"2\", SHIP", "SO_SEARCH = \"5\", SHIP", "the schema has no value `5`"),
            ("rest.toml", "id = \"getProductV200\"", "id = \"getProductV100\"", "the id or a path is there twice"),
            ("rest.toml", "name = \"issue_id\"", "name = \"issue\"", "no parameter for `{issue_id}` of the path"),
            (
                "rest.toml",
                "many = true, to = \"FilterColorArray",
                "to = \"FilterColorArray",
                "`color` does not fit its element",
            ),
            ("rest.toml", "TypesetArray = \"Typeset\"", "TypesetList = \"Typeset\"", "no element `TypesetList`"),
            (
                "rest.toml",
                "route = \"getFobPoints\"",
                "route = \"sendPo\"",
                "rest.toml: [[probe]] sendPo: no such read",
            ),
            (
                "rest.toml",
                "query = { query_type = \"PO_SEARCH\"",
                "query = { query_type = \"PO_SEEK\"",
                "rest.toml: [[probe]] getOrderShipmentNotificationV200",
            ),
            ("rest.toml", "method = \"POST\"", "method = \"PUT\"", "rest.toml: line "),
            ("codes.toml", "[PPC]", "[PCP]", "codes.toml: [PCP]: no such service"),
            ("codes.toml", "health = \"login\"", "health = \"bad\"", "codes.toml: line "),
        ] {
            let found = with(file, piece, other);
            assert!(found.contains(error), "{other}: {found}");
        }
    }
}
