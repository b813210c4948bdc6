//! `rest.toml` as it stands in the file.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub route: Vec<RouteEntry>,
    pub probe: Vec<ProbeEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub id: String,
    pub summary: String,
    #[serde(default)]
    pub method: super::Method,
    pub path: String,
    #[serde(default)]
    pub versions: Vec<String>,
    pub operation: String,
    pub ws_version: Option<String>,
    pub cache: Option<String>,
    pub digest: Option<Digest>,
    pub params: Vec<ParameterEntry>,
    #[serde(default)]
    pub json: Vec<Rule>,
    #[serde(default)]
    pub body: Vec<BodyRule>,
}

/// An answer that is made from the supplier's, instead of being it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Digest {
    /// The products' ids.
    ProductIds,
    /// The products with the ids of their parts.
    ProductVariants,
    /// The filter values of Inventory 1.2.1 in the shape of 2.0.0.
    FilterValues,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterEntry {
    pub name: Option<String>,
    #[serde(rename = "in")]
    pub location: Option<super::Location>,
    #[serde(rename = "const")]
    pub constant: Option<String>,
    pub to: Option<String>,
    #[serde(default)]
    pub required: bool,
    pub default: Option<String>,
    #[serde(default)]
    pub many: bool,
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    #[serde(default)]
    pub values: Vec<String>,
    pub only: Option<String>,
    /// The vendor has no such parameter.
    #[serde(rename = "ours")]
    pub _ours: Option<bool>,
    /// The default is a guess: no source has it.
    #[serde(rename = "guess")]
    pub _guess: Option<bool>,
}

/// A place of the answer where the JSON differs from the plain rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub at: String,
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    #[serde(default)]
    pub nulls: Vec<String>,
    #[serde(default)]
    pub defaults: BTreeMap<String, bool>,
    #[serde(default)]
    pub numbers: Vec<String>,
    #[serde(default)]
    pub integers: Vec<String>,
    #[serde(default)]
    pub lists: BTreeMap<String, String>,
    #[serde(default)]
    pub objects: BTreeMap<String, String>,
}

/// A place of an order's body where clients write something else than the schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyRule {
    pub at: String,
    /// A bare list where the schema has a wrapper.
    #[serde(default)]
    pub lists: BTreeMap<String, String>,
    /// Values that the schema's enumeration lacks, which are sent as they are.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeEntry {
    pub route: String,
    #[serde(default)]
    pub path: BTreeMap<String, String>,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}
