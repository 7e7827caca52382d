//! The contract of the bus, on each of its engines.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skerry_store::bus::{
    Address, Bus, BusWeakness, ClaimError, Epoch, LocalBus, LocalBusOptions, Mail, Mailbox, MemoryBus,
    Request, RequestError,
};
use tokio::time::Instant;

fn epoch(connection: u64) -> Epoch {
    Epoch { process: 1, connection }
}

fn within(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

fn options() -> LocalBusOptions {
    LocalBusOptions { claims_max: 4, mail_max: 2, waiting_max: 2 }
}

async fn request(mailbox: &mut Mailbox) -> Request {
    match mailbox.next().await {
        Some(Mail::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Asks in the background; a weak bus may lose the owner, so the caller says what is fine.
fn ask(
    bus: &Arc<dyn Bus>,
    address: &str,
    until: u64,
) -> tokio::task::JoinHandle<Result<Bytes, RequestError>> {
    let (bus, address) = (bus.clone(), Address::device(address));
    tokio::spawn(async move {
        bus.request(&address, Bytes::from_static(b"ping"), within(until), within(until + 500)).await
    })
}

fn answered(outcome: &Result<Bytes, RequestError>) -> bool {
    matches!(outcome, Err(RequestError::OwnerLost)) || outcome.as_deref() == Ok(&b"pong"[..])
}

async fn the_newest_claim_owns(bus: Arc<dyn Bus>) {
    let a = Address::device("a");
    assert!(!bus.is_owned(&a));
    let mut first = bus.claim(&a, epoch(1)).await.unwrap();
    assert_eq!((first.claim().epoch, bus.is_owned(&a)), (epoch(1), true));
    let mut second = bus.claim(&a, epoch(2)).await.unwrap();
    assert!(matches!(first.next().await, Some(Mail::Superseded)));
    assert!(first.next().await.is_none());
    for stale in [1, 2] {
        assert_eq!(bus.claim(&a, epoch(stale)).await.unwrap_err(), ClaimError::Stale { held: epoch(2) });
    }
    drop(first);
    assert!(bus.is_owned(&a), "who was superseded gives nothing up");
    let asking = ask(&bus, "a", 500);
    request(&mut second).await.answer(Bytes::from_static(b"pong"));
    assert!(answered(&asking.await.unwrap()));
    drop(second);
    assert!(!bus.is_owned(&a));
    assert!(matches!(bus.claim(&a, epoch(1)).await, Err(ClaimError::Stale { .. })));
    drop(bus.claim(&a, epoch(3)).await.unwrap());
}

async fn requests_wait_for_an_owner(bus: Arc<dyn Bus>) {
    assert_eq!(ask(&bus, "a", 20).await.unwrap(), Err(RequestError::NoOwner));
    let asking = ask(&bus, "a", 2000);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut mailbox = bus.claim(&Address::device("a"), epoch(1)).await.unwrap();
    let request = request(&mut mailbox).await;
    assert_eq!(request.payload, "ping");
    assert!(request.answer(Bytes::from_static(b"pong")));
    assert!(answered(&asking.await.unwrap()));
}

async fn undelivered_mail_goes_to_the_next_owner(bus: Arc<dyn Bus>) {
    let a = Address::device("a");
    let mut first = bus.claim(&a, epoch(1)).await.unwrap();
    let asking = ask(&bus, "a", 2000);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut second = bus.claim(&a, epoch(2)).await.unwrap();
    assert!(matches!(first.next().await, Some(Mail::Superseded)), "nothing is delivered to an older claim");
    request(&mut second).await.answer(Bytes::from_static(b"pong"));
    assert!(answered(&asking.await.unwrap()));
}

async fn stale_answers_are_dropped(bus: Arc<dyn Bus>) {
    let a = Address::device("a");
    let mut first = bus.claim(&a, epoch(1)).await.unwrap();
    let asking = ask(&bus, "a", 2000);
    let late = request(&mut first).await;
    let _second = bus.claim(&a, epoch(2)).await.unwrap();
    assert!(!late.answer(Bytes::from_static(b"pong")));
    assert_eq!(asking.await.unwrap(), Err(RequestError::OwnerLost));
}

async fn a_lost_owner_is_told(bus: Arc<dyn Bus>) {
    let mut mailbox = bus.claim(&Address::device("a"), epoch(1)).await.unwrap();
    let asking = ask(&bus, "a", 2000);
    let delivered = request(&mut mailbox).await;
    drop(mailbox);
    assert_eq!(asking.await.unwrap(), Err(RequestError::OwnerLost));
    drop(delivered);
    let mut mailbox = bus.claim(&Address::device("a"), epoch(2)).await.unwrap();
    let asking = ask(&bus, "a", 2000);
    drop(request(&mut mailbox).await);
    assert_eq!(asking.await.unwrap(), Err(RequestError::OwnerLost));
}

async fn a_late_answer_is_told(bus: Arc<dyn Bus>) {
    let a = Address::device("a");
    let mut mailbox = bus.claim(&a, epoch(1)).await.unwrap();
    let undelivered = bus.request(&a, Bytes::new(), within(10), within(30)).await;
    assert_eq!(undelivered, Err(RequestError::Late { delivered: false }));
    let asking = {
        let (bus, a) = (bus.clone(), a.clone());
        tokio::spawn(async move { bus.request(&a, Bytes::from_static(b"2"), within(10), within(60)).await })
    };
    let second = request(&mut mailbox).await;
    assert_eq!(second.payload, "2", "what was given up is not delivered");
    assert_eq!(asking.await.unwrap(), Err(RequestError::Late { delivered: true }));
    assert!(!second.answer(Bytes::new()));
}

async fn everything_is_bounded(bus: Arc<dyn Bus>) {
    let mailboxes: Vec<Mailbox> = {
        let mut all = Vec::new();
        for n in 0..4 {
            all.push(bus.claim(&Address::device(format!("d{n}")), epoch(1)).await.unwrap());
        }
        all
    };
    let more = bus.claim(&Address::device("d4"), epoch(1)).await;
    assert_eq!(more.unwrap_err(), ClaimError::Full { claims_max: 4 });
    let mail: Vec<_> = (0..2).map(|_| ask(&bus, "d0", 300)).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ask(&bus, "d0", 300).await.unwrap(), Err(RequestError::Busy { waiting: 2 }));
    let waiting: Vec<_> = (0..2).map(|n| ask(&bus, &format!("x{n}"), 300)).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ask(&bus, "x3", 300).await.unwrap(), Err(RequestError::Busy { waiting: 2 }));
    waiting.iter().chain(&mail).for_each(tokio::task::JoinHandle::abort);
    for task in waiting.into_iter().chain(mail) {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert_eq!(ask(&bus, "x3", 10).await.unwrap(), Err(RequestError::NoOwner), "room is given back");
    drop(mailboxes);
    drop(bus.claim(&Address::device("d4"), epoch(1)).await.unwrap());
}

async fn no_request_is_answered_twice_or_by_two(bus: Arc<dyn Bus>) {
    let a = Address::device("a");
    let owners = {
        let (bus, a) = (bus.clone(), a.clone());
        tokio::spawn(async move {
            let mut seen = 0u32;
            for n in 1..200 {
                let Ok(mut mailbox) = bus.claim(&a, epoch(n)).await else { continue };
                for _ in 0..3 {
                    match tokio::time::timeout(Duration::from_millis(1), mailbox.next()).await {
                        Ok(Some(Mail::Request(request))) => {
                            seen += 1;
                            let payload = request.payload.clone();
                            request.answer(payload);
                        }
                        _ => break,
                    }
                }
            }
            seen
        })
    };
    let (mut ok, mut lost) = (0, 0);
    while !owners.is_finished() {
        let payload = Bytes::from(format!("{ok}"));
        match bus.request(&a, payload.clone(), within(50), within(50)).await {
            Ok(answer) => {
                assert_eq!(answer, payload);
                ok += 1;
            }
            Err(RequestError::OwnerLost | RequestError::Late { delivered: true }) => lost += 1,
            Err(RequestError::NoOwner | RequestError::Late { delivered: false }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(owners.await.unwrap(), ok + lost, "each delivery is answered or told as lost");
}

macro_rules! on_every_bus {
    ($($check:ident),* $(,)?) => {
        mod on_local {
            use super::*;
            $(#[tokio::test] async fn $check() {
                super::$check(Arc::new(LocalBus::new(options()))).await;
            })*
        }
        mod on_weak_memory {
            use super::*;
            $(#[tokio::test] async fn $check() {
                for seed in 0..5 {
                    super::$check(Arc::new(MemoryBus::new(options(), Some(BusWeakness::seeded(seed))))).await;
                }
            })*
        }
    };
}

on_every_bus! {
    the_newest_claim_owns,
    requests_wait_for_an_owner,
    undelivered_mail_goes_to_the_next_owner,
    stale_answers_are_dropped,
    a_lost_owner_is_told,
    a_late_answer_is_told,
    everything_is_bounded,
    no_request_is_answered_twice_or_by_two,
}
