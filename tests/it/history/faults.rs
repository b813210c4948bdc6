//! The nemesis: what fails, when, and for how long, by the seed. One for each instance and one for Postgres, so that
//! faults overlap.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::history::Place;
use super::postgres::Shutdown;
use super::world::World;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGSTOP, and SIGCONT after a while that is shorter or longer than a lease.
    Pause,
    /// SIGKILL, and a new start.
    Kill,
    /// The listener connection is cut.
    Cut,
    /// The same, and no new one can be made for a while.
    Refuse,
    /// The listener connection is half open: it carries nothing and does not end. Afterwards it goes on, or is cut.
    Stall,
    /// The listener connection is slow, to one side or both.
    Delay,
    /// Postgres is restarted, in good order or by a crash.
    Restart,
    /// Some connections are ended by Postgres.
    Terminate,
}

pub const ALL: &[Kind] =
    &[Kind::Pause, Kind::Kill, Kind::Cut, Kind::Refuse, Kind::Stall, Kind::Delay, Kind::Restart, Kind::Terminate];

impl Kind {
    fn is_of_postgres(self) -> bool {
        matches!(self, Kind::Restart | Kind::Terminate)
    }
}

/// One nemesis.
struct Nemesis {
    world: Arc<World>,
    random: StdRng,
    kinds: Vec<Kind>,
}

/// Starts them. Each ends when the run is over, with everything mended.
pub fn start(world: &Arc<World>, kinds: &[Kind]) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let one = |number, of_postgres: bool| Nemesis {
        world: Arc::clone(world),
        random: world.random(number),
        kinds: kinds.iter().copied().filter(|kind| kind.is_of_postgres() == of_postgres).collect(),
    };
    for (number, instance) in (100..).zip(0..world.instances.len()) {
        all.spawn(one(number, false).torment_instance(instance));
    }
    all.spawn(one(200, true).torment_postgres());
    all
}

impl Nemesis {
    fn time(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(milliseconds))
    }

    /// Lets time pass, but not beyond the run; returns whether that goes on.
    async fn lasts(&self, time: Duration) -> bool {
        timeout(time, self.world.is_over()).await.is_err()
    }

    /// The next fault after a quiet time; none if there are none, or the run is over.
    async fn next(&mut self, quiet: std::ops::Range<u64>) -> Option<Kind> {
        let count = self.kinds.len().checked_sub(1)?;
        let (quiet, kind) = (self.time(quiet), self.kinds[self.random.random_range(0..=count)]);
        self.lasts(quiet).await.then_some(kind)
    }

    async fn torment_instance(mut self, number: usize) {
        let world = Arc::clone(&self.world);
        let (instance, place) = (&world.instances[number], Place::Instance(number));
        while let Some(kind) = self.next(300..4500).await {
            match kind {
                Kind::Pause => {
                    let time = self.time(200..5000);
                    let _fault = world.history.fault(place, "pause", format!("paused for {time:?}"));
                    instance.signal(Signal::STOP).await;
                    self.lasts(time).await;
                    instance.signal(Signal::CONT).await;
                }
                Kind::Kill => {
                    let time = self.time(0..1500);
                    let _fault = world.history.fault(place, "kill", format!("killed, started again after {time:?}"));
                    instance.kill().await;
                    self.lasts(time).await;
                    let _up = world.postgres.stays_up().await;
                    instance.restart().await;
                }
                Kind::Cut => {
                    let _fault = world.history.fault(place, "cut", "listener connection cut".to_owned());
                    instance.proxy.cut();
                }
                Kind::Refuse => {
                    let time = self.time(200..5000);
                    let what = format!("listener connection cut, none possible for {time:?}");
                    let _fault = world.history.fault(place, "refuse", what);
                    instance.proxy.refuse(true);
                    instance.proxy.cut();
                    self.lasts(time).await;
                    instance.proxy.refuse(false);
                }
                Kind::Stall => {
                    let (time, goes_on) = (self.time(200..5000), self.random.random_bool(0.5));
                    let then = if goes_on { "goes on" } else { "is cut" };
                    let what = format!("listener connection carries nothing for {time:?}, then {then}");
                    let _fault = world.history.fault(place, "stall", what);
                    instance.proxy.stall(true);
                    self.lasts(time).await;
                    if !goes_on {
                        instance.proxy.cut();
                    }
                    instance.proxy.stall(false);
                }
                Kind::Delay => {
                    let (time, delay) = (self.time(500..3000), self.time(20..300));
                    let (to_client, to_server) = [(1, 0), (1, 0), (0, 1), (1, 1)][self.random.random_range(0..4)];
                    let (to_client, to_server) = (delay * to_client, delay * to_server);
                    let what = format!("listener connection takes {to_client:?} in and {to_server:?} out for {time:?}");
                    let _fault = world.history.fault(place, "delay", what);
                    instance.proxy.delay(to_client, to_server);
                    self.lasts(time).await;
                    instance.proxy.delay(Duration::ZERO, Duration::ZERO);
                }
                Kind::Restart | Kind::Terminate => unreachable!("they are of Postgres"),
            }
        }
    }

    async fn torment_postgres(mut self) {
        let world = Arc::clone(&self.world);
        while let Some(kind) = self.next(2500..9000).await {
            if kind == Kind::Restart {
                let shutdown = if self.random.random_bool(0.5) { Shutdown::Fast } else { Shutdown::Immediate };
                let pause = self.time(0..1500);
                let what = format!("{shutdown:?} shutdown, down for {pause:?} at least");
                let _fault = world.history.fault(Place::Postgres, "restart", what);
                world.postgres.restart(shutdown, pause).await;
            } else {
                let backends = self.random.random_range(1..20);
                let _fault = world.history.fault(Place::Postgres, "terminate", format!("{backends} connections ended"));
                world.postgres.terminate(backends).await;
            }
        }
    }
}
