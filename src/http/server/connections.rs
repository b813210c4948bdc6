//! Counts the connections of a listener, and chooses which one is closed for another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::Notify;

use super::activity::Activity;
use crate::types::ClientAddress;

/// The part of all connections that an address always has, as a divisor. It may have more only while there is plenty of room.
const SHARE: usize = 10;
/// The part of all connections that is plenty of room, as a divisor.
const PLENTY: usize = 2;

/// The connections of a listener.
pub(super) struct Connections {
    most: usize,
    /// Whether an address may take only its share of them.
    are_shared: bool,
    exempt: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    all: HashMap<u64, Connection>,
    by_network: HashMap<ClientAddress, usize>,
}

struct Connection {
    /// The address that it is counted with; none for a trusted proxy.
    network: Option<ClientAddress>,
    activity: Arc<Activity>,
    evicted: Arc<Notify>,
}

/// The place of a connection. Dropping it makes room.
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    evicted: Arc<Notify>,
}

impl Connections {
    /// Makes room for so many connections. Where they are `shared`, one address has a tenth of them for certain, apart from
    /// those of exempt addresses.
    pub fn new(most: usize, are_shared: bool, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), are_shared, exempt, open: Mutex::default() })
    }

    /// Returns a place for a connection. None if its address has enough of them.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, activity: &Arc<Activity>) -> Option<Place> {
        let address = ClientAddress::from(peer);
        let is_counted = self.are_shared && !address.is_in(&self.exempt);
        let network = is_counted.then(|| address.network());
        let mut open = self.lock();
        if let Some(network) = &network
            && open.of(network) >= self.share()
            && open.all.len() >= self.most / PLENTY
            && !open.evict(|other| other.network.as_ref() == Some(network))
        {
            return None;
        }
        if open.all.len() + self.most / SHARE >= self.most && self.most >= SHARE {
            self.make_room(&mut open);
        }
        open.last_id += 1;
        let (id, evicted) = (open.last_id, Arc::new(Notify::new()));
        if let Some(network) = &network {
            *open.by_network.entry(network.clone()).or_default() += 1;
        }
        open.all.insert(id, Connection { network, activity: Arc::clone(activity), evicted: Arc::clone(&evicted) });
        Some(Place { connections: Arc::clone(self), id, evicted })
    }

    /// Whether there is no room for a further connection, nor can any be made.
    pub fn is_full(&self) -> bool {
        let mut open = self.lock();
        open.all.len() >= self.most && !self.make_room(&mut open)
    }

    /// Closes the connection that has been idle for longest: of an address that has more than its share, or else of any.
    fn make_room(&self, open: &mut Open) -> bool {
        let share = self.share();
        let crowded: Vec<_> =
            open.by_network.iter().filter(|(_, count)| **count > share).map(|(network, _)| network.clone()).collect();
        (!crowded.is_empty()
            && open.evict(|other| other.network.as_ref().is_some_and(|network| crowded.contains(network))))
            || open.evict(|_| true)
    }

    fn share(&self) -> usize {
        (self.most / SHARE).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn of(&self, network: &ClientAddress) -> usize {
        self.by_network.get(network).copied().unwrap_or_default()
    }

    /// Closes the longest idle of some connections, if one of them is idle.
    fn evict(&mut self, may_be: impl Fn(&Connection) -> bool) -> bool {
        let idle = self.all.iter().filter(|(_, connection)| may_be(connection));
        let idle = idle.filter_map(|(id, connection)| connection.activity.idle_for().map(|since| (since, *id)));
        let Some((_, id)) = idle.max() else { return false };
        if let Some(connection) = self.remove(id) {
            connection.evicted.notify_one();
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.all.remove(&id)?;
        if let Some(network) = &connection.network
            && let Some(count) = self.by_network.get_mut(network)
        {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(network);
            }
        }
        Some(connection)
    }
}

impl Place {
    /// Returns when the place is given to another connection.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::clock::Monotonic;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn is_evicted(place: &Place) -> bool {
        tokio::select! { biased; () = place.evicted() => true, () = std::future::ready(()) => false }
    }

    #[test]
    fn an_address_has_its_share_and_more_while_there_is_plenty_of_room() {
        let connections = Connections::new(100, true, vec!["10.0.0.0/8".parse().unwrap()]);
        let busy = Activity::new(&Monotonic::system());
        let _request = busy.begin_request();
        let enter = |text: &str| connections.enter(address(text), &busy);
        let mut places: Vec<_> = (0..50).map(|_| enter("192.0.2.1").unwrap()).collect();
        assert!(enter("192.0.2.1").is_none());
        // Another address has its share, and no more.
        places.extend((0..10).map(|_| enter("2001:db8::1").unwrap()));
        assert!(enter("2001:db8::2").is_none());
        places.push(enter("2001:db8:0:1::1").unwrap());
        // A trusted proxy has as many as there are.
        places.extend((0..39).map(|_| enter("10.0.0.1").unwrap()));
        assert!(connections.is_full());
        drop(places);
        assert!(connections.lock().by_network.is_empty() && !connections.is_full());
    }

    #[tokio::test]
    async fn the_longest_idle_is_closed_when_it_is_nearly_full() {
        let seconds = Arc::new(AtomicU64::new(1));
        let told = Arc::clone(&seconds);
        let clock = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::Relaxed)));
        let connections = Connections::new(20, true, vec![]);
        let enter = |last: usize, activity| connections.enter(address(&format!("192.0.2.{last}")), activity).unwrap();
        let oldest = Activity::new(&clock);
        let first = enter(1, &oldest);
        seconds.fetch_add(1, Ordering::Relaxed);
        let old = Activity::new(&clock);
        let crowd: Vec<_> = (0..9).map(|_| enter(2, &old)).collect();
        seconds.fetch_add(1, Ordering::Relaxed);
        let young = Activity::new(&clock);
        let mut others: Vec<_> = (3..=10).map(|last| enter(last, &young)).collect();
        // The next one takes the place of an address that has more than its share, whoever else is idle for longer.
        others.push(enter(11, &young));
        let mut closed = 0;
        for place in &crowd {
            closed += usize::from(is_evicted(place).await);
        }
        assert_eq!((closed, is_evicted(&first).await), (1, false));
        // With no such address the longest idle goes.
        drop(crowd);
        others.extend((20..28).map(|last| enter(last, &young)));
        assert!(!is_evicted(&first).await);
        others.push(enter(28, &young));
        assert!(is_evicted(&first).await);
    }

    #[tokio::test]
    async fn a_request_under_way_is_not_closed_for_another() {
        let connections = Connections::new(20, true, vec![]);
        let activity = Activity::new(&Monotonic::system());
        let request = activity.begin_request();
        let enter = |last: usize| connections.enter(address(&format!("192.0.2.{last}")), &activity).unwrap();
        let places: Vec<_> = (0..20).map(enter).collect();
        assert!(connections.is_full());
        for place in &places {
            assert!(!is_evicted(place).await);
        }
        drop(request);
        assert!(!connections.is_full());
    }
}
