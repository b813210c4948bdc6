//! Refused fields of a request, as values. The dialect of the path's family has the words for them.

use crate::types::InvalidText;

/// One field of a request that was refused. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field as the caller wrote it.
    pub field: String,
    /// The fault of its value.
    pub fault: Fault,
}

/// The fault of a field, of a header, of a parameter, or of the body as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Required,
    /// It is null, and may only be left out.
    Null,
    /// The text does not have the form of its type.
    Text(InvalidText),
    /// No code of a service.
    NotAService,
    /// No code of an environment.
    NotAnEnvironment,
    /// None of the names that there are.
    NotOneOf(Vec<&'static str>),
    /// A number outside a range, both ends included.
    NotBetween(usize, usize),
    /// A number of seconds outside a range, both ends included.
    NotBetweenSeconds(i32, i32),
    /// A number above a limit.
    AboveLimit(u64),
    /// A negative number.
    Negative,
    /// Not the number of an audit event.
    NotAnEventNumber,
    /// A moment that has passed.
    NotInTheFuture,
    /// Scopes of a public key, which has none.
    ScopesOfPublicKey,
    /// More ranges of addresses than a key may have.
    TooManyRanges(usize),
    /// More calls in a batch than there may be.
    TooManyCalls(usize),
    /// Not a key of a request that may be sent again, whose length has this limit.
    NotAnIdempotencyKey(usize),
    /// Not the entity tags of a condition.
    NotEntityTags,
    /// A condition that the operation does not take.
    ConditionNotTaken,
    /// Half a pair, where only whole pairs can be tried at the supplier.
    HalfPairToVerify,
    /// A parameter that cannot stand together with `page` and `page_size`.
    NotWithPage,
    /// Not a parameter of the operation.
    UnknownParameter,
    /// A value that the parameter cannot have.
    UnreadableParameter,
    /// A query with an unknown parameter, or with one twice, whose name is nothing to repeat.
    UnreadableQuery,
    /// A field that the body has twice.
    GivenTwice,
    /// A fault of JSON at a field.
    Json(JsonFault),
    /// A fault of JSON at a place whose name is nothing to repeat.
    JsonAt(JsonFault, Place),
    /// Not JSON.
    MalformedJson(Place),
}

/// A fault of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// Not a field of the operation.
    UnknownField,
    /// An object without a field that must be there.
    MissingField,
    /// An object with a field twice.
    RepeatedField,
    /// A value of the wrong type.
    WrongType,
}

/// A place in a body, as editors number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1; 0 before the first.
    pub column: usize,
}

impl FieldError {
    /// The fault of a field.
    pub fn new(field: &str, fault: Fault) -> Self {
        Self { field: field.to_owned(), fault }
    }
}
