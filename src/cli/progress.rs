//! How far a long command is, on standard error: a bar on a terminal, and a line for every tenth elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::rotation::Progress;

/// Characters of the bar.
const WIDTH: u64 = 30;
/// Shortest time between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows progress.
pub(super) struct Bar {
    is_terminal: bool,
    drawn: Option<Instant>,
    /// With what, and at which tenth, the last line was.
    said: (String, u64),
    is_open: bool,
}

impl Bar {
    pub fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), drawn: None, said: (String::new(), 0), is_open: false }
    }

    /// Shows how far it is, if that is worth it.
    pub fn show(&mut self, progress: Progress<'_>) {
        let Progress { what, done, total } = progress;
        let is_last = done >= total;
        if self.is_terminal {
            if !is_last && self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
                return;
            }
            self.drawn = Some(Instant::now());
            let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
            let bar: String = (0..WIDTH).map(|index| if index < filled { '#' } else { '.' }).collect();
            write(&format!("\r\x1b[K[{bar}] {done} of {total} {what}"));
            self.is_open = true;
            if is_last {
                self.end();
            }
        } else {
            let tenth = (done * 10).checked_div(total).unwrap_or(10);
            if self.said.0 != what || self.said.1 != tenth {
                self.said = (what.to_owned(), tenth);
                write(&format!("{done} of {total} {what}\n"));
            }
        }
    }

    /// Leaves the line of the bar, before something else is printed.
    pub fn end(&mut self) {
        if self.is_open {
            write("\n");
            self.is_open = false;
        }
    }
}

fn write(text: &str) {
    // Nobody may be reading.
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}
