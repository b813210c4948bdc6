//! The sentences about errors, each in one place: the native dialect answers with them, and the command line prints them.

use crate::credentials::import::{
    BASE_COLUMNS, Column, MalformedRecord, RowError, RowErrors, RowFault, SERVICE_COLUMNS,
};
use crate::error::{self, BrokenRule, Error, Half, Limit, Missing, MissingHalf, Taken};
use crate::http::fields::{Fault, FieldError, JsonFault, Place};
use crate::types::{Environment, Service};

/// A refused field, in words.
pub(super) struct RefusedField {
    /// The field's name.
    pub field: String,
    /// The fault.
    pub message: Message,
}

/// The words for a fault.
pub(super) enum Message {
    /// Continues the name of the field.
    OfField(String),
    /// A whole sentence.
    Sentence(String),
}

impl RefusedField {
    fn new(field: &str, message: Message) -> Self {
        Self { field: field.to_owned(), message }
    }

    /// The refusal as one sentence.
    pub fn sentence(&self) -> String {
        match &self.message {
            Message::OfField(message) => format!("{}: {message}", self.field),
            Message::Sentence(sentence) => sentence.clone(),
        }
    }

    /// The fault, as it stands next to the field's name.
    pub fn into_parts(self) -> (String, String) {
        match self.message {
            Message::OfField(message) | Message::Sentence(message) => (self.field, message),
        }
    }
}

/// Returns an error and its causes in one line, for a terminal.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    error::chain_by(error, |cause| {
        cause.downcast_ref::<Error>().and_then(for_terminal).unwrap_or_else(|| cause.to_string())
    })
}

/// The sentence for an error that an operator can make; the text for logs serves for the others.
fn for_terminal(error: &Error) -> Option<String> {
    match error {
        Error::NotFound { what, hint } => Some(missing_with_hint(*what, hint.as_deref())),
        Error::HalfPairs(missing) => missing.first().map(|missing| half_pair(*missing).sentence()),
        Error::Limit(exceeded) => Some(limit(*exceeded).sentence()),
        Error::Taken(name) => Some(taken(*name).sentence()),
        Error::BrokenRule(rule) => Some(broken_rule(*rule).sentence()),
        Error::Shared(error) => for_terminal(error),
        Error::PreconditionFailed
        | Error::UnderWay
        | Error::KeyReused
        | Error::Denied(_)
        | Error::OwnCredentialsRequired { .. }
        | Error::Unreadable(_)
        | Error::Seal(_)
        | Error::KeyService(_)
        | Error::Unavailable(_)
        | Error::NotRecorded
        | Error::Overloaded
        | Error::IssuerUnavailable
        | Error::Database(_) => None,
    }
}

/// The sentence about a thing that is not there.
pub(super) const fn missing(what: Missing) -> &'static str {
    match what {
        Missing::Supplier => "Supplier not found",
        Missing::Credentials => "Credentials not found",
        Missing::ParentCredentials => "Parent credentials must exist first",
        Missing::ServiceCredential => "Service credential not found",
        Missing::Account => "Account not found",
        Missing::SubAccount => "Sub-account not found",
        Missing::ApiKey => "API key not found",
        Missing::OauthClient => "OAuth client not found",
        Missing::User => "User not found",
        Missing::Path => "Not found",
    }
}

/// The same, where the hint has no place of its own.
fn missing_with_hint(what: Missing, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{} (did you mean `{hint}`?)", missing(what)),
        None => missing(what).to_owned(),
    }
}

/// The words for a refused field of a request.
pub(super) fn field(error: &FieldError) -> RefusedField {
    RefusedField::new(&error.field, fault(&error.fault))
}

fn fault(fault: &Fault) -> Message {
    let message = match fault {
        Fault::NotAService => return unknown_service(),
        Fault::NotAnEnvironment => return unknown_environment(),
        Fault::TooManyCalls(most) => return Message::Sentence(format!("A batch takes at most {most} resolves")),
        Fault::UnreadableQuery => {
            let sentence = "The query has a parameter that this operation does not take, or one twice";
            return Message::Sentence(sentence.to_owned());
        }
        Fault::JsonAt(fault, place) => {
            return Message::Sentence(format!("The body {} ({})", of_body(*fault), at(place)));
        }
        Fault::MalformedJson(place) => return Message::Sentence(format!("Malformed JSON {}", at(place))),
        Fault::Required => REQUIRED.to_owned(),
        Fault::Null => "must not be null".to_owned(),
        Fault::Text(why) => why.to_string(),
        Fault::NotOneOf(known) => format!("must be one of {}", known.join(", ")),
        Fault::NotBetween(least, most) => format!("must be between {least} and {most}"),
        Fault::NotBetweenSeconds(least, most) => format!("must be between {least} and {most} seconds"),
        Fault::AboveLimit(most) => format!("must be at most {most}"),
        Fault::Negative => "must not be negative".to_owned(),
        Fault::NotAnEventNumber => "must be the number of an event, or 0".to_owned(),
        Fault::NotInTheFuture => "must be in the future".to_owned(),
        Fault::ScopesOfPublicKey => "must not be named for a public key, which has none".to_owned(),
        Fault::TooManyRanges(most) => format!("must be at most {most} ranges"),
        Fault::NotAnIdempotencyKey(most) => format!("must be one text of 1 to {most} printable ASCII characters"),
        Fault::NotEntityTags => "must be `*` or entity tags such as `\"5f1c\"`".to_owned(),
        Fault::ConditionNotTaken => "is a condition that this operation does not take".to_owned(),
        Fault::HalfPairToVerify => {
            "tries whole pairs: a user name and a password for each environment of the request".to_owned()
        }
        Fault::NotWithPage => "must not be given together with page or page_size".to_owned(),
        Fault::UnknownParameter => "is not a parameter of this operation".to_owned(),
        Fault::UnreadableParameter => "has a value of the wrong form".to_owned(),
        Fault::GivenTwice => "is given twice".to_owned(),
        Fault::Json(fault) => of_field(*fault).to_owned(),
    };
    Message::OfField(message)
}

const REQUIRED: &str = "is required";

fn unknown_service() -> Message {
    let known = Service::ALL.map(Service::as_str).join(", ");
    Message::Sentence(format!("Invalid service (must be one of {known})"))
}

fn unknown_environment() -> Message {
    Message::Sentence("Invalid environment (must be STAGING or PROD)".to_owned())
}

const fn of_field(fault: JsonFault) -> &'static str {
    match fault {
        JsonFault::UnknownField => "is not a field of this operation",
        JsonFault::MissingField => "lacks a required field",
        JsonFault::RepeatedField => "has a field twice",
        JsonFault::WrongType => "has the wrong type",
    }
}

const fn of_body(fault: JsonFault) -> &'static str {
    match fault {
        JsonFault::UnknownField => "has what is not a field of this operation",
        JsonFault::MissingField | JsonFault::RepeatedField | JsonFault::WrongType => of_field(fault),
    }
}

fn at(Place { line, column }: &Place) -> String {
    format!("at line {line} column {column}")
}

/// The field that a half pair lacks.
pub(super) fn half_pair(missing: MissingHalf) -> RefusedField {
    let environment = match missing.environment {
        Environment::Staging => "staging",
        Environment::Production => "production",
    };
    let (lacking, present) = match missing.half {
        Half::Username => ("username", "password"),
        Half::Password => ("password", "username"),
    };
    let message =
        format!("is required together with {environment}_{present}, because no {environment} pair is stored yet");
    RefusedField::new(&format!("{environment}_{lacking}"), Message::OfField(message))
}

/// The field of something of which there would be too many.
pub(super) fn limit(limit: Limit) -> RefusedField {
    let (field, sentence) = match limit {
        Limit::ApiKeys(most) => ("api_keys", format!("An account can have at most {most} active API keys")),
        Limit::OauthClients(most) => ("oauth_clients", format!("An account can have at most {most} OAuth clients")),
        Limit::ClientSecrets(most) => {
            ("overlap_seconds", format!("An OAuth client can have at most {most} secrets in overlap"))
        }
    };
    RefusedField::new(field, Message::Sentence(sentence))
}

/// The field of a name that is in use.
pub(super) fn taken(taken: Taken) -> RefusedField {
    match taken {
        Taken::ExternalCustomerId => {
            let sentence = "external_customer_id is already in use".to_owned();
            RefusedField::new("external_customer_id", Message::Sentence(sentence))
        }
        Taken::UserEmail => {
            RefusedField::new("email", Message::OfField("is already a user of this account".to_owned()))
        }
    }
}

/// The field of an act that breaks a rule.
pub(super) fn broken_rule(rule: BrokenRule) -> RefusedField {
    match rule {
        BrokenRule::RotateTwice => {
            let sentence = "This API key was rotated before; rotate its successor".to_owned();
            RefusedField::new("id", Message::Sentence(sentence))
        }
        BrokenRule::PurgeParent => {
            let sentence = "The account has sub-accounts: purge them first".to_owned();
            RefusedField::new("account", Message::Sentence(sentence))
        }
        BrokenRule::ShortPassword(least) => {
            let message = format!("must be at least {least} characters long");
            RefusedField::new("password", Message::OfField(message))
        }
    }
}

/// Returns the column of a row's error, and its fault in words.
pub fn row(error: &RowError) -> (&'static str, String) {
    let column = error.column.map_or("row", Column::name);
    let message = match &error.fault {
        RowFault::NotUtf8 => "is not UTF-8".to_owned(),
        RowFault::Malformed(MalformedRecord::StrayQuote) => "has a quote in a field that is not quoted".to_owned(),
        RowFault::Malformed(MalformedRecord::TextBehindQuotes) => "has text behind a quoted field".to_owned(),
        RowFault::Malformed(MalformedRecord::OpenQuote) => "has a quote that is never closed".to_owned(),
        RowFault::UnknownColumns => {
            let (base, service) = (names(BASE_COLUMNS), names(SERVICE_COLUMNS));
            format!("must name each of the columns {base}, or each of {service}, and no others")
        }
        RowFault::FieldCount { found, expected } => format!("has {found} fields and not {expected}"),
        RowFault::Repeats(first) => format!("says a second time what row {first} is about"),
        RowFault::Required => REQUIRED.to_owned(),
        RowFault::Text(why) => why.to_string(),
        RowFault::NotAService => unknown_service().into_text(),
        RowFault::NotAnEnvironment => unknown_environment().into_text(),
        RowFault::HalfPair(missing) => half_pair(*missing).into_parts().1,
        RowFault::NotFound { what, hint } => missing_with_hint(*what, hint.as_deref()),
    };
    (column, message)
}

impl Message {
    fn into_text(self) -> String {
        match self {
            Message::OfField(text) | Message::Sentence(text) => text,
        }
    }
}

fn names(columns: [Column; 5]) -> String {
    columns.map(Column::name).join(", ")
}

/// Sums up the errors of a file in one sentence; nothing if there are none.
pub(in crate::http) fn summary(errors: &RowErrors) -> Option<String> {
    let first = errors.listed.first()?;
    let (column, message) = row(first);
    let first = format!("row {}, {column}: {message}", first.row);
    Some(match (errors.count, errors.listed.len()) {
        (1, _) => format!("The file has an error: {first}"),
        (count, listed) if listed as u64 == count => format!("The file has {count} errors, the first in {first}"),
        (count, listed) => {
            format!("The file has {count} errors, of which the first {listed} are listed; the first in {first}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(listed: usize, count: u64) -> RowErrors {
        let error = RowError { row: 7, column: Some(Column::SupplierCode), fault: RowFault::Required };
        RowErrors { listed: vec![error; listed], count }
    }

    #[test]
    fn a_summary_names_the_first_error_and_counts_all() {
        let summary = |listed, count| summary(&errors(listed, count));
        assert_eq!(summary(1, 1).unwrap(), "The file has an error: row 7, supplier_code: is required");
        assert_eq!(summary(2, 2).unwrap(), "The file has 2 errors, the first in row 7, supplier_code: is required");
        assert_eq!(
            summary(100, 210).unwrap(),
            "The file has 210 errors, of which the first 100 are listed; the first in row 7, supplier_code: is required"
        );
        assert_eq!(summary(0, 0), None);
    }

    #[test]
    fn the_sentence_about_services_is_that_of_the_contract() {
        let contract = "Invalid service (must be one of Product, MED, INV, PPC, PO, OSN, OSTAT, Invoice)";
        assert_eq!(unknown_service().into_text(), contract);
    }
}
