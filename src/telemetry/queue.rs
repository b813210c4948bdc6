//! The queue of log lines, and the thread that writes them: nothing else of the process waits when nobody reads standard
//! error. With a full queue lines are dropped and counted.
//!
//! (`tracing-appender` has such a queue. At the end it prints to standard output when nobody reads, and a full pipe there
//! would keep the process from ending.)

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait: a few megabytes, and some seconds of a busy instance.
const LINES: usize = 8192;
/// Stack of the thread. It writes bytes, and now and then a line of its own.
const STACK: usize = 256 << 10;
/// Longest wait at the end of the program for lines that are not written yet.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two tries to put something into a full queue at the end of the program.
const STEP: Duration = Duration::from_millis(10);
/// Shortest time between two lines about dropped ones.
const PAUSE: Duration = Duration::from_secs(10);

/// The queue of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// The end of the queue that lines are put into. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before it is written when this is answered.
    Flush(SyncSender<()>),
}

/// Returns the queue to standard error, and starts it at the first call. Without a thread lines are only counted.
pub(super) fn to_stderr() -> &'static Queue {
    QUEUE.get_or_init(|| Queue::start(LINES, io::stderr()))
}

/// Returns how many lines were dropped.
pub(super) fn dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped.load(Ordering::Relaxed))
}

/// Waits for the lines that are not written yet, though not for ever.
pub(super) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(PATIENCE);
    }
}

impl Queue {
    fn start(lines: usize, output: impl Write + Send + 'static) -> Self {
        let (entries, received) = sync_channel(lines);
        let dropped = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&dropped);
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK)
            .spawn(move || write(&received, &counted, output));
        Self { entries, dropped }
    }

    fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (done, is_done) = sync_channel(1);
        let mut entry = Entry::Flush(done);
        loop {
            match self.entries.try_send(entry) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < until => entry = back,
                Err(_) => return,
            }
            thread::sleep(STEP);
        }
        let _ = is_done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Writes entries until nobody can put one in any more.
fn write(entries: &Receiver<Entry>, dropped: &AtomicU64, mut output: impl Write) {
    let (mut told, mut told_at) = (0, None::<Instant>);
    for entry in entries {
        match entry {
            // A reader that went away is no failure.
            Entry::Line(line) => drop(output.write_all(&line)),
            Entry::Flush(done) => drop(done.send(())),
        }
        let lines = dropped.load(Ordering::Relaxed);
        if lines > told && told_at.is_none_or(|at| at.elapsed() > PAUSE) {
            tracing::warn!(lines = lines - told, "lines of this log were dropped: nobody read them in time");
            (told, told_at) = (lines, Some(Instant::now()));
        }
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Queue;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Puts each line in with one call, as the formatter writes it. Never waits and never fails.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.entries.try_send(Entry::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// An output that takes a line for each permission.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(lines: usize) -> (Queue, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permitted) = channel();
        let written = Arc::default();
        (Queue::start(lines, Slow(permitted, Arc::clone(&written))), permit, written)
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        let (queue, permit, written) = slow(2);
        for number in 0..10 {
            (&queue).write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        // Two wait, and one may be at its writer.
        let dropped = queue.dropped.load(Ordering::Relaxed);
        assert!((7..=8).contains(&dropped), "{dropped}");
        // It does not wait for a writer that is stuck.
        queue.flush(Duration::from_millis(50));
        drop(permit);
        queue.flush(Duration::from_secs(20));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count() as u64, 10 - dropped, "{text}");
        assert!(text.starts_with("0\n1\n"), "{text}");
    }
}
