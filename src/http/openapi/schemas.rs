//! Schemas of the domain's values: texts, codes, numbers, addresses. The domain itself knows no OpenAPI; where it has a list
//! of all values, the schema is made from that list.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::audit::Action;
use crate::disclosure::BATCH_LIMIT;
use crate::principal::Scope;
use crate::resolver::precedence::{Level, Outcome};
use crate::types::{Environment, MAX_CHARS, MAX_NOTES_CHARS, Service};

/// No control characters (Unicode category Cc). The length is a keyword of its own.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// The same, but line ends and tabs are allowed.
const LINES: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*$";
/// Something on both sides of one `@`, without blanks (Unicode property `White_Space`) or control characters.
const EMAIL: &str = r"^[^@\u0000-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+@[^@\u0000-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+$";
/// A file to import.
const CSV_EXAMPLE: &str = "supplier_code,staging_username,staging_password,production_username,production_password\n\
                           HIT,,,your_prod_user,your_prod_pass\n";

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident: $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc),+).trim_start();
                $schema.description(Some(description)).build().into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

words! {
    /// Exact, case-sensitive code of a supplier in the directory.
    SupplierCode: text(MAX_CHARS).min_length(Some(1)).examples(["HIT"]);
    /// Stored to the letter: nothing is trimmed, case-folded or normalised. Lengths count Unicode code points.
    Text: text(MAX_CHARS).min_length(Some(1));
    /// Stored sealed, to the letter, and never returned by the public API.
    Secret: text(MAX_CHARS).min_length(Some(1)).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
    /// An address to write to.
    Email: text(MAX_CHARS).pattern(Some(EMAIL)).min_length(Some(3)).examples(["ops@client-a.example"]);
    /// Notes, over several lines perhaps.
    Notes: text(MAX_NOTES_CHARS).pattern(Some(LINES)).examples(["Orders by telephone only"]);
    /// A `PromoStandards` service.
    ServiceCode: names(Service::ALL).examples(["INV"]);
    /// A `PromoStandards` service. `ODRSTAT` and `INVC` are accepted and mean `OSTAT` and `Invoice`.
    ServiceName: codes(Service::ALL.map(Service::as_str).into_iter().chain(Service::ALIASES)).examples(["INV"]);
    /// Which of the supplier's two systems.
    EnvironmentCode: names(Environment::ALL).examples(["PROD"]);
    /// A right.
    ScopeName: codes(Scope::ALL.map(Scope::as_str)).examples(["credentials:read"]);
    /// Calls. Each should be a `Call` and is read by itself: one that is none has its own refusal among the answers.
    Batch: ArrayBuilder::new().items(any_call()).max_items(Some(BATCH_LIMIT));
    /// Comma-separated values by RFC 4180, in UTF-8. The first line names the columns.
    CsvFile: string().examples([CSV_EXAMPLE]);
    /// An OpenAPI document.
    Document: ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    /// The one grant that there is.
    GrantType: codes(["client_credentials"]);
    /// Rights, each separated from the next by one blank (RFC 6749 §3.3).
    ScopeList: string().pattern(Some(scope_list())).examples(["credentials:read credentials:write"]);
    /// A level of the hierarchy, from the highest: the pair of the request itself, the account's for the service, the
    /// account's base credentials, the operator's shared login.
    LevelName: names(Level::ALL);
    /// The action that is on record.
    ActionName: codes(Action::ALL.map(Action::as_str)).examples(["credentials.updated"]);
    /// The outcome at a level of the hierarchy.
    OutcomeName: names(Outcome::ALL);
    /// Number of an account.
    AccountNumber: whole(1, i64::MAX).examples([7]);
    /// Number of an account that is asked for. There is none below 1; a request for it is answered as for any account that is
    /// not the caller's, and recorded.
    AskedAccount: whole(i64::MIN, i64::MAX).examples([7]);
    /// An address, or a range as in `10.0.0.0/8` or `2001:db8::/32`, of either family. A v4 range that is written as v6, as in
    /// `::ffff:10.0.0.0/104`, has a prefix of at least 96.
    AddressRange: string().pattern(Some(ranges())).examples(["198.51.100.0/24"]);
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn text(longest: usize) -> ObjectBuilder {
    string().max_length(Some(longest)).pattern(Some(PRINTABLE))
}

fn codes(codes: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    string().enum_values(Some(codes))
}

/// The names that a list has on the wire.
fn names<T: Serialize>(all: impl IntoIterator<Item = T>) -> ObjectBuilder {
    string().enum_values(Some(all.into_iter().map(|one| json!(one)).collect::<Vec<Value>>()))
}

fn scope_list() -> String {
    let scopes = Scope::ALL.map(Scope::as_str).join("|");
    format!("^(({scopes})( ({scopes}))*)?$")
}

fn any_call() -> AnyOfBuilder {
    let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    AnyOfBuilder::new().item(Ref::from_schema_name("Call")).item(anything)
}

fn whole(least: i64, most: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most))
}

/// Addresses of both families (RFC 4291 §2.2), with or without the length of a prefix.
fn ranges() -> String {
    const GROUP: &str = "[0-9A-Fa-f]{1,4}";
    // Any group but `ffff`.
    const NOT_MAPPED: &str = "([0-9A-Fa-f]{1,3}|[0-9A-Ea-e][0-9A-Fa-f]{3}|[Ff][0-9A-Ea-e][0-9A-Fa-f]{2}|\
                              [Ff]{2}[0-9A-Ea-e][0-9A-Fa-f]|[Ff]{3}[0-9A-Ea-e])";
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    let v4 = format!(r"({BYTE}\.){{3}}{BYTE}");
    let repeated = |least: usize, most: usize| match most {
        0 => String::new(),
        _ => format!("({GROUP}(:{GROUP}){{{},{}}})", least.saturating_sub(1), most - 1),
    };
    let whole = repeated(8, 8);
    // `::` stands for one group at least.
    let shortened = (0..=7).map(|before| match 7 - before {
        0 => format!("{}::", repeated(before, before)),
        after => format!("{}::{}?", repeated(before, before), repeated(1, after)),
    });
    let v6 = shortened.fold(whole, |all, form| format!("{all}|{form}"));
    // The last two groups as a v4 address. An IPv4-mapped address (`::ffff:`) has the longer prefixes only.
    let before_v4 = (1..=5).map(|before| format!("{}::({GROUP}:){{0,{}}}", repeated(before, before), 5 - before));
    let before_v4 = before_v4
        .fold(format!("({GROUP}:){{6}}|::|::{NOT_MAPPED}:|::({GROUP}:){{2,5}}"), |all, form| format!("{all}|{form}"));
    let v6_length = "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?";
    let mapped = format!("::[Ff]{{4}}:{v4}(/(12[0-8]|1[01][0-9]|9[6-9]))?");
    format!("^({v4}(/(3[0-2]|[12]?[0-9]))?|({v6}|({before_v4}){v4}){v6_length}|{mapped})$")
}
