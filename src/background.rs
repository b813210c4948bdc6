//! Runs work that may outlive the request that began it. The work keeps the permits of its request, such as its turn, until it
//! has ended: a client that leaves does not make room for more work than its account may have.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinError;

use crate::standstill::elsewhere;

/// The permits of a request, of any type.
pub type Held = Arc<dyn Any + Send + Sync>;

tokio::task_local! {
    static HELD: Held;
}

/// Runs a request with what it holds.
pub async fn holding<F: Future>(held: Held, request: F) -> F::Output {
    HELD.scope(held, request).await
}

/// Spawns a task that is carried to its end, also if the request goes away; and returns the wait for it. The task has
/// limits of its own on its waits.
pub fn spawn<F>(work: F) -> impl Future<Output = Result<F::Output, JoinError>>
where
    F: Future<Output: Send> + Send + 'static,
{
    elsewhere(match HELD.try_with(Arc::clone) {
        Ok(held) => tokio::spawn(HELD.scope(held, work)),
        Err(_) => tokio::spawn(work),
    })
}

/// A mark that nobody waits any more for work on a thread.
#[derive(Clone, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether nobody waits any more.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs work on a thread of its own, and marks it as abandoned if the request goes away.
pub async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<T, JoinError> {
    /// Marks the work as abandoned when it is dropped.
    struct Waiting(Abandoned);

    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.0.store(true, Ordering::Relaxed);
        }
    }

    let waiting = Waiting(Abandoned::default());
    let (abandoned, held) = (waiting.0.clone(), HELD.try_with(Arc::clone).ok());
    elsewhere(tokio::task::spawn_blocking(move || {
        let done = work(&abandoned);
        drop(held);
        done
    }))
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_on_a_thread_keeps_what_its_request_holds_and_ends_when_that_is_gone() {
        let (held, (begun, has_begun), (ended, has_ended)) = (Arc::new(()), mpsc::channel(), mpsc::channel());
        let request = tokio::spawn(holding(held.clone(), async move {
            spawn_blocking(move |abandoned| {
                begun.send(()).unwrap();
                while !abandoned.is_so() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
            })
            .await
        }));
        let (has_begun, has_ended) = tokio::task::spawn_blocking(move || (has_begun.recv(), has_ended)).await.unwrap();
        has_begun.unwrap();
        assert!(Arc::strong_count(&held) > 1);
        request.abort();
        tokio::task::spawn_blocking(move || has_ended.recv()).await.unwrap().unwrap();
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_keeps_what_its_request_holds() {
        let held = Arc::new(());
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let (task,) = holding(held.clone(), async move { (spawn(receive),) }).await;
        assert_eq!(Arc::strong_count(&held), 2);
        send.send(()).unwrap();
        task.await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
