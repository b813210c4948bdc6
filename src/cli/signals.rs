//! SIGINT and SIGTERM, counted: the first is a wish to stop in good order, the second to stop at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The number of signals to stop.
pub(super) struct Signals(watch::Receiver<u32>);

impl Signals {
    /// Listens from now on. To be called before the work begins, so that none is missed.
    pub fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (count, counted) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(counted))
    }

    /// Completes when there was one.
    pub fn first(&self) -> impl Future<Output = ()> + use<> {
        self.after(1)
    }

    /// Completes when there were two.
    pub fn second(&self) -> impl Future<Output = ()> + use<> {
        self.after(2)
    }

    fn after(&self, enough: u32) -> impl Future<Output = ()> + use<> {
        let mut counted = self.0.clone();
        async move {
            // An error says that nobody counts any more, at the end of the runtime.
            let _ = counted.wait_for(|count| *count >= enough).await;
        }
    }
}
