//! The memory and the time that a large answer takes. A process of its own: the peak is the process's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use promostandards::{Limits, Login, Scrub, Standard, read_answer};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// A list of sellables that is made while it is read.
struct Sellables {
    items: usize,
    made: usize,
    chunk: Vec<u8>,
    taken: usize,
}

impl Sellables {
    fn new(items: usize) -> Self {
        Self {
            items,
            made: 0,
            chunk: b"<Envelope><Body><GetProductSellableResponse><ProductSellableArray>".to_vec(),
            taken: 0,
        }
    }
}

impl AsyncBufRead for Sellables {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.taken == this.chunk.len() {
            this.chunk.clear();
            this.taken = 0;
            if this.made < this.items {
                let item = format!(
                    "<s:ProductSellable><s:productId>P{}</s:productId><s:partId>P{}-{}</s:partId></s:ProductSellable>\n",
                    this.made / 10,
                    this.made / 10,
                    this.made
                );
                this.made += 1;
                this.chunk.extend_from_slice(item.as_bytes());
            } else if this.made == this.items {
                this.made += 1;
                this.chunk.extend_from_slice(b"</ProductSellableArray></GetProductSellableResponse></Body></Envelope>");
            }
        }
        Poll::Ready(Ok(&this.chunk[this.taken..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().taken += amount;
    }
}

impl AsyncRead for Sellables {
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

/// Run it optimised with `cargo test --release -p promostandards --test memory -- --nocapture` for the time.
#[test]
fn a_large_list_takes_at_most_three_times_its_json() {
    let standard = Standard::embedded().unwrap();
    let scrub = Scrub::new(Login { username: "some-user", password: "some-password" });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // 600,000 items stay below two million elements and 64 MiB; unoptimised a part of them is enough.
    let items = if cfg!(debug_assertions) { 100_000 } else { 600_000 };
    for id in ["getAllSellables", "getProductSellableV200"] {
        let request = standard.route(id).unwrap().request("2.0.0", &[], &[], None).unwrap();
        let before = status("VmRSS:");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let start = Instant::now();
        let answer =
            runtime.block_on(read_answer(&request, None, Sellables::new(items), Limits::default(), &scrub)).unwrap();
        let took = start.elapsed();
        let more = status("VmHWM:") - before;
        let json = answer.json.len();
        println!("{id}: {json} bytes of JSON, {more} bytes of memory at the peak, {took:?}");
        // The buffers of the reader do not grow with the list.
        assert!(more < json * 3 + (1 << 20), "{more} bytes for {json}");
    }
}
