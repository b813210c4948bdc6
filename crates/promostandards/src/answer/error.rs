//! The ways in which an answer is none.

/// An answer that cannot become JSON. The sentences fit after `<supplier name> `.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The supplier answered with a SOAP fault.
    #[error("failed: {text}")]
    Fault {
        /// The fault's text, scrubbed and then cut to 200 characters.
        text: String,
        /// The text may be about the login. It is never a verdict.
        about_login: bool,
    },
    /// The answer has a document type declaration, which SOAP forbids.
    #[error("answered with a document type declaration")]
    Doctype,
    /// The answer is no XML.
    #[error("answered {0}")]
    NotXml(NotXml),
    /// The answer is XML without the element that the operation answers with.
    #[error("answered with something else than the operation's response")]
    WrongElement,
    /// The answer ends too early.
    #[error("answered with XML that ends too early")]
    Truncated,
    /// The answer is no well-formed XML.
    #[error("answered with malformed XML")]
    Malformed,
    /// The answer has more bytes than allowed.
    #[error("answered with more than is allowed")]
    TooLarge,
    /// The answer is nested more deeply than allowed.
    #[error("answered with XML that is nested too deeply")]
    TooDeep,
    /// The answer has more elements than allowed.
    #[error("answered with too many elements")]
    TooManyElements,
    /// The answer is in an encoding that is not read.
    #[error("answered in an unknown encoding")]
    Encoding,
    /// The connection failed while the answer arrived.
    #[error("broke off its answer")]
    Io(#[source] std::io::Error),
}

/// Something that came in place of XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotXml {
    /// Nothing at all.
    Empty,
    /// A web page.
    Html,
    /// Something else.
    Garbage,
}

impl std::fmt::Display for NotXml {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "with nothing",
            Self::Html => "with a web page",
            Self::Garbage => "with something that is no XML",
        })
    }
}
