//! The memory and the time that a large answer takes. A process of its own: the peak is the process's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use promostandards::{Limits, Login, Scrub, Standard, read_answer};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// Makes an item by its number.
type Item = fn(usize) -> String;

/// An answer that is made while it is read.
struct Made {
    items: usize,
    given: usize,
    chunk: Vec<u8>,
    taken: usize,
    item: Item,
    end: String,
}

impl Made {
    fn new(start: &str, items: usize, item: Item, end: String) -> Self {
        Self { items, given: 0, chunk: format!("<Envelope><Body>{start}").into_bytes(), taken: 0, item, end }
    }
}

/// A list of sellables, ten parts for each product.
fn sellables(items: usize) -> Made {
    let item = |number| {
        let product = number / 10;
        format!(
            "<s:ProductSellable><s:productId>P{product}</s:productId><s:partId>P{product}-{number}</s:partId></s:ProductSellable>\n"
        )
    };
    let end = "</ProductSellableArray></GetProductSellableResponse>".to_owned();
    Made::new("<GetProductSellableResponse><ProductSellableArray>", items, item, end)
}

impl AsyncBufRead for Made {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.taken == this.chunk.len() {
            this.chunk.clear();
            this.taken = 0;
            if this.given < this.items {
                this.chunk.extend_from_slice((this.item)(this.given).as_bytes());
            } else if this.given == this.items {
                this.chunk.extend_from_slice(format!("{}</Body></Envelope>", this.end).as_bytes());
            }
            this.given += 1;
        }
        Poll::Ready(Ok(&this.chunk[this.taken..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().taken += amount;
    }
}

impl AsyncRead for Made {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        unreachable!()
    }
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Reads an answer. Returns the size of its JSON and of the memory that it took at the peak.
fn measure(standard: &Standard, id: &str, body: Made, limits: Limits) -> (Option<usize>, usize) {
    let scrub = Scrub::new(Login { username: "some-user", password: "some-password" });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let route = standard.route(id).unwrap();
    let version = route.versions().last().unwrap();
    let request = route.request(version, &[("product_id", "X")], &[], None).unwrap();
    let before = status("VmRSS:");
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let start = Instant::now();
    let answer = runtime.block_on(read_answer(&request, None, body, limits, &scrub));
    let took = start.elapsed();
    let more = status("VmHWM:").saturating_sub(before);
    let json = answer.as_ref().ok().map(|answer| answer.json.len());
    println!("{id}: {json:?} bytes of JSON, {more} bytes of memory at the peak, {took:?}");
    (json, more)
}

/// Run it optimised with `cargo test --release -p promostandards --test memory -- --nocapture` for the time. One test, because the peak is
/// that of the process.
#[test]
fn the_memory_of_an_answer_is_bounded() {
    let standard = Standard::embedded().unwrap();
    // 600,000 items stay below two million elements and 64 MiB; unoptimised a part of them is enough.
    let (items, bytes) = if cfg!(debug_assertions) { (10_000, 1 << 20) } else { (600_000, 64 << 20) };
    for id in ["getAllSellables", "getProductSellableV200"] {
        let (json, more) = measure(&standard, id, sellables(items), Limits::default());
        let json = json.unwrap();
        // The buffers of the reader do not grow with the list.
        assert!(more < json * 3 + (1 << 20), "{more} bytes for {json}");
    }
    // Hostile answers, each as large as it may be.
    let limits = Limits { bytes, ..Limits::default() };
    let torn = |number| format!("<description>{number}</description><productName>n</productName>");
    let product = |number| format!("<ProductSellable><productId>{number}</productId></ProductSellable>");
    let nulls = |_| "<PartInventory><partId>1</partId></PartInventory>".to_owned();
    let message = |_| "<ServiceMessage><code>1</code><description>d</description></ServiceMessage>".to_owned();
    let hostile: [(&str, &str, Item); 7] = [
        ("getProductV200", "GetProductResponse Product", torn),
        ("getAllSellables", "GetProductSellableResponse ProductSellableArray", product),
        ("getAllSellableProductIds", "GetProductSellableResponse ProductSellableArray", product),
        ("getInventoryByProductV200", "GetInventoryLevelsResponse Inventory PartInventoryArray", nulls),
        ("getInventoryByProductV200", "GetInventoryLevelsResponse ServiceMessageArray", message),
        ("getProductV200", "GetProductResponse Product productName", |_| "x".repeat(1_000)),
        ("getProductV200", "GetProductResponse Product productName", |_| format!("{}&amp;", "x".repeat(1_000))),
    ];
    for (id, path, item) in hostile {
        let items = usize::try_from(bytes).unwrap() / item(1_000_000).len() - 20;
        let names: Vec<&str> = path.split(' ').collect();
        let start = format!("<{}>", names.join("><"));
        let end = format!("</{}>", names.iter().rev().copied().collect::<Vec<_>>().join("></"));
        let (_, more) = measure(&standard, id, Made::new(&start, items, item, end), limits);
        assert!(more < usize::try_from(bytes).unwrap() * 4 + (1 << 20), "{id}: {more} bytes");
    }
}
