//! Promises that hold for any answer of a supplier and for any order body. Run by the fuzzers (`fuzz/fuzz_targets`) and by the tests, which replay
//! `fuzz/corpus`.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use promostandards::{
    Answer, AnswerError, Limits, Login, Request, Scrub, Standard, Verdict, read_answer, read_request,
};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

static STANDARD: LazyLock<Standard> = LazyLock::new(|| Standard::embedded().unwrap());

/// The calls that answers are read for, one for each service version.
static REQUESTS: LazyLock<Vec<&'static Request>> = LazyLock::new(|| {
    let digests = ["getAllSellables", "getAllSellableProductIds", "getFilterValuesV121"].map(|id| {
        let route = STANDARD.route(id).unwrap();
        let version = route.versions().last().unwrap();
        &*Box::leak(Box::new(route.request(version, &[("product_id", "X")], &[], None).unwrap()))
    });
    STANDARD.probes().iter().map(|probe| &probe.request).chain(digests).collect()
});

const PASSWORD: &str = "S3nt&nel";

/// A body that comes in pieces of one size.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncBufRead for Pieces<'_> {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        let this = self.get_mut();
        Poll::Ready(Ok(&this.0[..this.0.len().min(this.1)]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.0 = &this.0[amount..];
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn read(request: &Request, body: &[u8], piece: usize) -> Result<Answer, AnswerError> {
    let limits = Limits { bytes: 1 << 16, depth: 16, elements: 1_000 };
    let scrub = Scrub::new(Login { username: "u", password: PASSWORD });
    let mut future =
        Box::pin(read_answer(request, Some("multipart/x; charset=utf-8"), Pieces(body, piece), limits, &scrub));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}

/// The first byte chooses the call, the rest is the answer.
pub fn answer(input: &[u8]) {
    let Some((&first, body)) = input.split_first() else { return };
    let request = REQUESTS[usize::from(first) % REQUESTS.len()];
    let whole = read(request, body, usize::MAX);
    // However it comes in pieces, it is the same.
    for piece in [1, 7] {
        match (&whole, read(request, body, piece)) {
            (Ok(whole), Ok(other)) => {
                assert_eq!(whole.json, other.json);
                assert_eq!(
                    (whole.verdict, whole.complete_without_error),
                    (other.verdict, other.complete_without_error)
                );
            }
            (Err(whole), Err(other)) => assert_eq!(whole.to_string(), other.to_string()),
            (whole, other) => panic!("{whole:?} {other:?}"),
        }
    }
    match whole {
        Ok(answer) => {
            let json: serde_json::Value = serde_json::from_slice(&answer.json).unwrap();
            assert!(json.is_object());
            assert!(!String::from_utf8_lossy(&answer.json).contains(PASSWORD));
            assert!(!answer.complete_without_error || answer.verdict == Verdict::Accepted);
            // Every key of the schema is there.
            let schema = STANDARD.route(request.route()).unwrap().response_schema(version(request));
            for key in schema["required"].as_array().unwrap() {
                assert!(json.get(key.as_str().unwrap()).is_some(), "{key}");
            }
        }
        Err(AnswerError::Fault { text, .. }) => {
            assert!(!text.contains(PASSWORD) && text.chars().count() <= 200);
        }
        Err(error) => assert!(!error.to_string().contains(PASSWORD)),
    }
}

fn version(request: &Request) -> &'static str {
    STANDARD.route(request.route()).unwrap().versions().last().unwrap()
}

/// The input is an order's body.
pub fn order(input: &[u8]) {
    let route = STANDARD.route("sendPo").unwrap();
    match route.request("1.0.0", &[], &[], Some(input)) {
        Ok(request) => {
            let xml = request.envelope(Login { username: "u", password: PASSWORD }).unwrap();
            assert_eq!(xml.len(), xml.capacity());
            let back = read_request(&STANDARD, request.soap_action(), &xml).unwrap();
            assert_eq!((back.operation.as_str(), back.password.as_str()), ("sendPO", PASSWORD));
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= 100);
            for fault in faults {
                assert_eq!(fault.location[0], "body");
                assert!(fault.location.iter().all(|step| step.chars().count() <= 64));
            }
        }
    }
}
