//! `Queue` opened again: what was saved stays settled, everything else comes again.

use std::collections::{BTreeMap, BTreeSet};

use skerry_store::log::{Durability, Log, QueueOptions, Sequence};

use super::leasing::{lease, lease_many, numbers, open, options, send, waits};
use super::world::{Engine, HERE, Producer, of_cursors, read_all_to, text};
use crate::samples::Dice;

pub(super) async fn a_queue_opened_again_goes_on_where_it_was_saved(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..30).await;
    let leased = lease_many(&mut queue, 20).await;
    for one in [0, 1, 2, 5, 8] {
        queue.settle(leased[one].1);
    }
    queue.save().await.unwrap();
    queue.save().await.unwrap();
    queue.settle(leased[3].1);
    queue.settle(leased[9].1);
    drop(queue);
    // Settled but not saved: 3 and 9 come again, 5 and 8 do not.
    let mut queue = open(&log, options()).await;
    assert_eq!(queue.in_flight(), 0);
    let again = lease_many(&mut queue, 25).await;
    let expected: Vec<u32> = (3..30).filter(|number| ![5, 8].contains(number)).collect();
    assert_eq!(numbers(&again), expected);
    for (_, sequence) in again {
        queue.settle(sequence);
    }
    queue.save().await.unwrap();
    drop(queue);
    assert!(waits(&mut open(&log, options()).await).await);
}

/// Everything that a consumer may do, by chance, with restarts in between.
pub(super) async fn nothing_is_skipped_whatever_happens(engine: &dyn Engine) {
    for durability in [Durability::Synced, Durability::Memory] {
        let log = engine.open(of_cursors());
        let options = QueueOptions { in_flight_max: 12, unsaved_max: 20, durability, ..options() };
        let mut queue = open(&log, options).await;
        let (mut producer, mut dice) = (Producer::new(1), Dice(8));
        let (mut sent, mut done, mut saved) = (0, BTreeSet::new(), BTreeSet::new());
        let mut flying: BTreeMap<u32, Sequence> = BTreeMap::new();
        for _ in 0..600 {
            let any = flying.iter().nth(dice.roll(flying.len().max(1))).map(|(n, s)| (*n, *s));
            match (dice.roll(20), any) {
                (0..4, _) => {
                    send(&*log, &mut producer, queue.cursor(), sent..sent + 3).await;
                    sent += 3;
                }
                (4..10, _) if flying.len() < 12 && (done.len() + flying.len()) < sent as usize => {
                    let (number, sequence) = lease(&mut queue).await;
                    assert!(flying.insert(number, sequence).is_none(), "{number} is in flight twice");
                    if durability == Durability::Synced {
                        assert!(!saved.contains(&number), "{number} was saved as settled");
                    }
                    // Delivered again after a restart, it is settled again.
                    done.remove(&number);
                }
                (10..15, Some((number, sequence))) => {
                    assert!(queue.settle(sequence));
                    flying.remove(&number);
                    done.insert(number);
                }
                (15..17, Some((number, sequence))) => {
                    assert!(queue.give_back(sequence));
                    flying.remove(&number);
                }
                (17, _) => {
                    queue.save().await.unwrap();
                    saved.clone_from(&done);
                }
                (18, _) if dice.roll(2) == 0 => {
                    queue = open(&log, options).await;
                    flying.clear();
                    done.clone_from(&saved);
                    if durability != Durability::Synced {
                        // A power cut may have taken any of it.
                        done.clear();
                        saved.clear();
                        let below = queue.below();
                        let cursor = log.cursors().remove(0);
                        let settled = |at: &Sequence| *at < below || cursor.settled.contains(at);
                        let all = read_settled(&*log, sent).await;
                        done.extend(all.iter().filter(|(_, at)| settled(at)).map(|(number, _)| *number));
                        saved.clone_from(&done);
                    }
                }
                _ => {}
            }
        }
        for (number, sequence) in flying {
            queue.settle(sequence);
            done.insert(number);
        }
        while done.len() < sent as usize {
            let (number, sequence) = lease(&mut queue).await;
            queue.settle(sequence);
            done.insert(number);
        }
        assert!(waits(&mut queue).await);
        queue.save().await.unwrap();
        let cursor = log.cursors().remove(0);
        assert_eq!((cursor.records, cursor.bytes, cursor.settled.len()), (0, 0, 0));
        assert!(sent > 60);
    }
}

/// Every record that was sent for the queue, with its place.
async fn read_settled(log: &dyn Log, sent: u32) -> Vec<(u32, Sequence)> {
    if sent == 0 {
        return Vec::new();
    }
    let read = read_all_to(log, HERE, &(sent - 1).to_string()).await;
    let numbered = |record| Some((text(record).parse().ok()?, record.sequence));
    read.records.iter().filter_map(numbered).collect()
}
