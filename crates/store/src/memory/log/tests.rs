//! The sums that the state keeps as it goes are those that counting anew finds.

use skerry_model::Timestamp;

use super::state::State;
use super::weakness::LogWeakness;
use crate::log::{
    Batch, CursorId, CursorKind, Draft, Durability, From, Limits, Partition, Progress, Sequence, Start,
    Winner,
};
use crate::memory::Dice;

fn count_anew(state: &State) {
    let (mut bytes, mut loose_bytes, mut loose) = (0, 0, 0);
    for (&number, partition) in &state.partitions {
        for (&sequence, stored) in &partition.records {
            let held = state.cursors.values().filter(|held| held.partition == number);
            let wanting = held.filter(|held| held.wants(sequence, stored)).count() as u32;
            let wanting = if state.limits.winner == Winner::Cursors { wanting } else { 0 };
            assert_eq!(stored.wanting, wanting, "record {sequence} of {number}");
            bytes += stored.bytes();
            if wanting == 0 {
                assert_eq!(state.loose.get(&stored.arrival), Some(&(number, sequence)));
                loose_bytes += stored.bytes();
                loose += 1;
            }
        }
    }
    assert_eq!((bytes, loose_bytes, loose), (state.bytes, state.loose_bytes, state.loose.len()));
    assert!(bytes <= state.limits.bytes_max);
}

fn step(state: &mut State, dice: &mut Dice, now: Timestamp) {
    let id = CursorId::from_number(1 + dice.up_to(state.cursors_ever.into()) as u32);
    let partition = Partition::new(dice.up_to(1) as u32);
    let extent = state.extent(partition, now).unwrap();
    let somewhere = Sequence::from_number(dice.up_to(extent.next.number()));
    match dice.up_to(12) {
        0 => {
            let kind = if dice.chance(50) { CursorKind::Every } else { CursorKind::Wanted };
            let start = Start { partition, kind, from: From::Sequence(somewhere) };
            drop(state.open_cursor(&dice.up_to(4).to_string(), start));
        }
        1 => drop(state.drop_cursor(id)),
        2 => state.trim(partition, somewhere.number() / 2).unwrap(),
        3..7 => {
            let settled = (0..3).map(|_| Sequence::from_number(dice.up_to(extent.next.number()))).collect();
            let below = Sequence::from_number(dice.up_to(extent.next.number()) / (1 + dice.up_to(3)));
            let durability = if dice.chance(30) { Durability::Synced } else { Durability::Written };
            drop(state.advance(id, &Progress { below, settled, records: 1, bytes: 20, durability }));
        }
        _ => {
            let payload = vec![0; dice.up_to(60) as usize].into();
            let wanted_by = if dice.chance(60) { [id].into() } else { [].into() };
            let draft = Draft { partition, wanted_by, payload, ..Draft::default() };
            state.append(&Batch::new(vec![draft; 2], Durability::Memory), now);
        }
    }
}

#[test]
fn sums_agree_with_counting_anew() {
    for seed in 0..40 {
        let winner = if seed % 4 == 0 { Winner::Retention } else { Winner::Cursors };
        let age_max = (seed % 3 == 0).then_some(std::time::Duration::from_secs(30));
        let limits = Limits { winner, age_max, bytes_max: 4000, settled_max: 10, ..Limits::default() };
        let mut state = State::new(limits, (seed % 2 == 0).then(|| LogWeakness::seeded(seed)));
        let mut dice = Dice::new(seed);
        for second in 0..300 {
            step(&mut state, &mut dice, Timestamp::from_unix_seconds(second));
            count_anew(&state);
        }
        assert!(state.figures.records > 20);
    }
}
