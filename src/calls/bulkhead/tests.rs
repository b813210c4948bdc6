use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::host::{WAITING, WAITING_OF_ACCOUNT};
use super::*;

const LIMIT: usize = 2;

fn supplier() -> SupplierCode {
    SupplierCode::parse("HIT").unwrap()
}

/// Asks for one of two places at a host.
async fn enter_at(bulkheads: &Bulkheads, url: &str, account: i64, time: Duration) -> Result<Permit, NotNow> {
    let (url, supplier) = (url.parse().unwrap(), supplier());
    let deadline = Instant::now() + time;
    let entry = Entry { url: &url, supplier: &supplier, limit: LIMIT, account: AccountId(account), deadline };
    bulkheads.enter(&entry).await
}

async fn enter(bulkheads: &Bulkheads, account: i64) -> Result<Permit, NotNow> {
    enter_at(bulkheads, "https://one.example/ws", account, Duration::from_mins(1)).await
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn is_empty(bulkheads: &Bulkheads) -> bool {
    bulkheads.lock().by_name.is_empty()
}

#[tokio::test]
async fn a_call_more_than_the_limit_waits_for_a_place() {
    let bulkheads = Bulkheads::new();
    let first = enter(&bulkheads, 1).await.unwrap();
    let second = enter(&bulkheads, 2).await.unwrap();
    let mut third = pin!(enter(&bulkheads, 3));
    assert!(poll_once(third.as_mut()).is_pending());
    first.answered();
    let third = third.await.unwrap();
    assert!(poll_once(pin!(enter(&bulkheads, 1))).is_pending());
    second.failed();
    drop(third);
    // One failure is remembered.
    assert_eq!(bulkheads.lock().by_name.len(), 1);
    enter(&bulkheads, 1).await.unwrap().answered();
    assert!(is_empty(&bulkheads));
}

#[tokio::test]
async fn another_host_or_port_has_places_of_its_own() {
    let bulkheads = Bulkheads::new();
    let minute = Duration::from_mins(1);
    let _held = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 1).await.unwrap());
    for other in ["https://two.example/ws", "https://one.example:8443/ws", "http://one.example/ws"] {
        drop(enter_at(&bulkheads, other, 1, minute).await.unwrap());
    }
    for same in ["https://ONE.example:443/other?x=1", "https://one.example./ws"] {
        assert!(poll_once(pin!(enter_at(&bulkheads, same, 1, minute))).is_pending(), "{same}");
    }
}

#[tokio::test]
async fn an_account_that_floods_a_supplier_is_passed_by_another() {
    let bulkheads = Bulkheads::new();
    let (first, second) = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 1).await.unwrap());
    let mut calls: Vec<_> = (0..WAITING_OF_ACCOUNT).map(|_| Box::pin(enter(&bulkheads, 1))).collect();
    calls.extend((2..4).map(|account| Box::pin(enter(&bulkheads, account))));
    let (flood, others) = (0, WAITING_OF_ACCOUNT);
    assert!(calls.iter_mut().all(|call| poll_once(call.as_mut()).is_pending()));
    let one_more = poll_once(pin!(enter(&bulkheads, 1)));
    assert!(matches!(one_more, Poll::Ready(Err(NotNow::Busy { .. }))));
    // A free place goes to an account that has fewer; of those that have as few, to the one that waits longer.
    let mut permit_of = |at: usize| match poll_once(calls[at].as_mut()) {
        Poll::Ready(Ok(permit)) => permit,
        _ => panic!("{at} has no place"),
    };
    drop(first);
    let second_account = permit_of(others);
    drop(second);
    let first_account = permit_of(flood);
    drop(second_account);
    let third_account = permit_of(others + 1);
    drop(third_account);
    let next = permit_of(flood + 1);
    drop((first_account, next, calls));
    assert!(is_empty(&bulkheads));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let bulkheads = Bulkheads::new();
    let _held = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 1).await.unwrap());
    let mut calls: Vec<_> =
        (0..i64::try_from(WAITING).unwrap()).map(|number| Box::pin(enter(&bulkheads, number / 32))).collect();
    assert!(calls.iter_mut().all(|call| poll_once(call.as_mut()).is_pending()));
    let one_more = poll_once(pin!(enter(&bulkheads, 99)));
    assert!(matches!(one_more, Poll::Ready(Err(NotNow::Busy { .. }))));
    // One that goes away makes room.
    drop(calls.pop());
    assert!(poll_once(pin!(enter(&bulkheads, 99))).is_pending());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_trace() {
    let bulkheads = Bulkheads::new();
    let first = enter(&bulkheads, 1).await.unwrap();
    let second = enter(&bulkheads, 1).await.unwrap();
    let (mut gone, mut later) = (Box::pin(enter(&bulkheads, 2)), Box::pin(enter(&bulkheads, 3)));
    let mut latest = Box::pin(enter(&bulkheads, 4));
    for call in [&mut gone, &mut later] {
        assert!(poll_once(call.as_mut()).is_pending());
    }
    assert!(poll_once(latest.as_mut()).is_pending());
    // It leaves while it waits ...
    drop(gone);
    drop(first);
    // ... or when it has a place already and does not know yet: the place goes to the next one.
    drop(later);
    let Poll::Ready(Ok(latest)) = poll_once(latest.as_mut()) else { panic!("the place is lost") };
    drop((latest, second));
    assert!(is_empty(&bulkheads));
}

#[tokio::test]
async fn a_wait_has_an_end_that_leaves_half_of_the_time_for_the_call() {
    let patience = Duration::from_millis(40);
    let bulkheads = Bulkheads { patience, ..Bulkheads::new() };
    let held = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 1).await.unwrap());
    let begun = Instant::now();
    assert_eq!(enter(&bulkheads, 2).await.err(), Some(NotNow::Busy { retry_after: Duration::from_secs(1) }));
    assert!(begun.elapsed() >= patience);
    let wait = |seconds| {
        let end = end_of_wait(begun, begun + Duration::from_secs(seconds), Bulkheads::new().patience);
        end.duration_since(begun)
    };
    assert_eq!((wait(55), wait(20), wait(5)), (PATIENCE, PATIENCE, Duration::from_millis(2500)));
    // No time is left at all.
    let refused = enter_at(&bulkheads, "https://one.example", 2, Duration::ZERO).await;
    assert_eq!(refused.err(), Some(NotNow::BUSY));
    drop(held);
    assert!(is_empty(&bulkheads));
}

#[tokio::test]
async fn a_host_that_is_down_gets_one_call_at_a_time_until_it_answers() {
    let bulkheads = Bulkheads::new();
    for _ in 0..3 {
        enter(&bulkheads, 1).await.unwrap().failed();
    }
    let (fourth, fifth) = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 2).await.unwrap());
    let mut waiting: Vec<_> = (3..6).map(|account| Box::pin(enter(&bulkheads, account))).collect();
    let mut poll = |at: usize| poll_once(waiting[at].as_mut());
    assert!((0..3).all(|at| poll(at).is_pending()));
    fourth.failed();
    let Poll::Ready(Ok(sixth)) = poll(0) else { panic!("four failures are not five") };
    // With the fifth it is down: one is under way, and those who wait are refused at once, as those who come.
    fifth.failed();
    let down = NotNow::Down { retry_after: Duration::from_secs(5) };
    for at in [1, 2] {
        assert!(matches!(poll(at), Poll::Ready(Err(refusal)) if refusal == down));
    }
    assert_eq!(enter(&bulkheads, 1).await.err(), Some(down));
    // One that reports nothing makes room for the next, which reports a failure, and so on.
    drop(sixth);
    for _ in 0..3 {
        let probe = enter(&bulkheads, 1).await.unwrap();
        assert_eq!(enter(&bulkheads, 2).await.err(), Some(down));
        probe.failed();
    }
    // Other hosts are none the worse.
    drop(enter_at(&bulkheads, "https://two.example", 1, Duration::from_mins(1)).await.unwrap());
    enter(&bulkheads, 1).await.unwrap().answered();
    assert!(is_empty(&bulkheads));
    let _two = (enter(&bulkheads, 1).await.unwrap(), enter(&bulkheads, 1).await.unwrap());
}

#[tokio::test]
async fn hosts_without_calls_are_forgotten_when_there_are_many() {
    let bulkheads = Bulkheads::new();
    let minute = Duration::from_mins(1);
    let held = enter(&bulkheads, 1).await.unwrap();
    for number in 0..2 * HOSTS {
        enter_at(&bulkheads, &format!("https://{number}.example"), 1, minute).await.unwrap().failed();
        assert!(bulkheads.lock().by_name.len() <= HOSTS);
    }
    assert!(bulkheads.lock().by_name.contains_key("one.example:443"));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_or_made_when_callers_come_and_go_at_once() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let bulkheads = Bulkheads::new();
    let under_way = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let (bulkheads, under_way) = (bulkheads.clone(), Arc::clone(&under_way));
            tokio::spawn(async move {
                for round in 0..50 {
                    let call = async {
                        let permit = enter(&bulkheads, number % 7).await;
                        if permit.is_ok() {
                            assert!(under_way.fetch_add(1, Ordering::SeqCst) < LIMIT);
                            tokio::task::yield_now().await;
                            under_way.fetch_sub(1, Ordering::SeqCst);
                        }
                        permit
                    };
                    if (number + round) % 3 == 0 {
                        // A caller that goes away after a few steps. It must not go away within the call itself.
                        let mut waiting = pin!(enter(&bulkheads, number % 7));
                        for _ in 0..round % 5 {
                            if poll_once(waiting.as_mut()).is_ready() {
                                break;
                            }
                            tokio::task::yield_now().await;
                        }
                    } else if let Ok(permit) = call.await {
                        permit.answered();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(is_empty(&bulkheads));
}
