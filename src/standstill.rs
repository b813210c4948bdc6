//! Ends work that stands still: it waits for an answer of the database that does not come.
//!
//! A statement has a limit in Postgres, which is of no use when the network is gone: the answer never comes, and nothing ends
//! the connection. Work that goes on is woken, with each answer. So work that nothing has woken for longer than a statement
//! may take is given up. A wait for anything else has a limit of its own, and is marked ([`elsewhere`]).

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    /// How many waits of this work are for something else.
    static ELSEWHERE: Cell<usize>;
}

/// Carries out work, and gives it up when it has stood still for longer than `longest`.
pub async fn limited<F: Future>(longest: Duration, work: F) -> Option<F::Output> {
    ELSEWHERE.scope(Cell::new(0), watched(longest, work)).await
}

async fn watched<F: Future>(longest: Duration, work: F) -> Option<F::Output> {
    let mut watch = Watch::new(longest, Instant::now());
    let (mut work, mut timer) = (pin!(work), pin!(sleep_until(watch.end)));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    poll_fn(|cx| {
        let is_woken = woken.take(cx.waker());
        if is_woken && let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(Some(done));
        }
        if !watch.goes_on(Instant::now(), is_woken, ELSEWHERE.with(Cell::get) > 0) {
            return Poll::Ready(None);
        }
        if timer.deadline() != watch.end {
            timer.as_mut().reset(watch.end);
        }
        let _ = timer.as_mut().poll(cx);
        Poll::Pending
    })
    .await
}

/// Whether work was woken by what it waits for: its task may be polled for others in it, and by the watch.
struct Woken {
    is_so: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Default for Woken {
    fn default() -> Self {
        // Work begins without being woken.
        Self { is_so: AtomicBool::new(true), task: Mutex::default() }
    }
}

impl Woken {
    /// Returns whether the work was woken since the last time, and takes the task that is to be woken with it from now on.
    fn take(&self, task: &Waker) -> bool {
        let mut current = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *current {
            Some(current) => current.clone_from(task),
            None => *current = Some(task.clone()),
        }
        self.is_so.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_so.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// When work was woken last, and when to look at it again.
struct Watch {
    longest: Duration,
    last_woken: Instant,
    end: Instant,
}

impl Watch {
    fn new(longest: Duration, now: Instant) -> Self {
        Self { longest, last_woken: now, end: now + longest }
    }

    /// Returns whether work that was just looked at, and is not done, may go on.
    fn goes_on(&mut self, now: Instant, is_woken: bool, is_elsewhere: bool) -> bool {
        if is_woken || is_elsewhere {
            self.last_woken = now;
        }
        if now >= self.end {
            self.end = self.last_woken + self.longest;
        }
        now < self.end
    }
}

/// Waits for something else than the database, such as a client or a thread.
pub async fn elsewhere<F: Future>(wait: F) -> F::Output {
    /// Takes the mark away, also when the wait is given up.
    struct Mark;

    impl Drop for Mark {
        fn drop(&mut self) {
            let _ = ELSEWHERE.try_with(|waits| waits.set(waits.get().saturating_sub(1)));
        }
    }

    let _mark = ELSEWHERE.try_with(|waits| waits.set(waits.get() + 1)).ok().map(|()| Mark);
    wait.await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(12);

    /// Whether work goes on that was looked at so many seconds from the beginning, because it was woken or not, and while it
    /// waited for something else or not.
    fn goes_on(looks: &[(u64, bool, bool)]) -> bool {
        let begun = Instant::now();
        let mut watch = Watch::new(LONGEST, begun);
        looks.iter().fold(true, |goes_on, (seconds, is_woken, is_elsewhere)| {
            assert!(goes_on, "it was given up before");
            watch.goes_on(begun + Duration::from_secs(*seconds), *is_woken, *is_elsewhere)
        })
    }

    #[test]
    fn work_that_is_not_woken_is_given_up_at_the_limit() {
        assert!(!goes_on(&[(0, true, false), (12, false, false)]));
        assert!(goes_on(&[(0, true, false), (8, true, false), (12, false, false)]));
        assert!(!goes_on(&[(0, true, false), (8, true, false), (12, false, false), (20, false, false)]));
    }

    #[test]
    fn a_look_for_another_part_of_the_task_does_not_count() {
        assert!(!goes_on(&[(0, true, false), (6, false, false), (11, false, false), (12, false, false)]));
    }

    #[test]
    fn work_that_is_woken_may_take_any_time() {
        let looks: Vec<_> = (1..20).map(|n| (n * 5, true, false)).collect();
        assert!(goes_on(&looks));
    }

    #[test]
    fn a_wait_for_something_else_does_not_count() {
        assert!(goes_on(&[(1, true, true), (12, false, true), (24, false, true), (36, false, true)]));
        assert!(!goes_on(&[(1, true, true), (12, false, true), (24, true, false), (36, false, false)]));
    }

    #[tokio::test]
    async fn a_standstill_ends_the_work_and_a_wait_for_something_else_does_not() {
        let short = Duration::from_millis(20);
        assert_eq!(limited(short, async { 1 }).await, Some(1));
        assert_eq!(limited(short, pending::<()>()).await, None);
        assert_eq!(limited(short, elsewhere(tokio::time::sleep(short * 5))).await, Some(()));
        let begun = Instant::now();
        let both = async {
            elsewhere(tokio::time::sleep(short * 5)).await;
            pending::<()>().await;
        };
        assert_eq!(limited(short, both).await, None);
        assert!(begun.elapsed() >= short * 6);
    }
}
