//! Promise 8: cursors remember.

use skerry_store::log::{
    Cursor, CursorError, CursorId, CursorKind, Durability, From, Limits, Log, NoSuchCursor, Partition,
    Progress, Sequence, Start,
};

use super::world::{Engine, HERE, Producer, THERE, draft, drafts, read_all_to, sequence};

fn start(from: From) -> Start {
    Start { partition: HERE, kind: CursorKind::Every, from }
}

fn told(below: Sequence, settled: &[Sequence]) -> Progress {
    let durability = Durability::Synced;
    Progress { below, settled: settled.to_vec(), durability, ..Progress::default() }
}

fn shown(log: &dyn Log, id: CursorId) -> Cursor {
    log.cursors().into_iter().find(|cursor| cursor.id == id).unwrap()
}

/// Twenty records and their sequences.
async fn twenty(log: &dyn Log) -> Vec<Sequence> {
    Producer::new(1).send_all(log, drafts(0..20)).await;
    read_all_to(log, HERE, "19").await.sequences()
}

/// Whether a record is settled for a cursor.
fn settles(cursor: &Cursor, sequence: Sequence) -> bool {
    sequence < cursor.below || cursor.settled.contains(&sequence)
}

pub(super) async fn a_cursor_begins_where_it_is_asked_to_and_stays(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let at = twenty(&*log).await;
    let oldest = log.cursor("oldest", start(From::Oldest)).await.unwrap();
    assert!(oldest.below <= at[0]);
    let newest = log.cursor("newest", start(From::Newest)).await.unwrap();
    assert!(newest.below > at[19]);
    let middle = log.cursor("middle", start(From::Sequence(at[7]))).await.unwrap();
    assert_eq!((middle.below, middle.partition, middle.kind), (at[7], HERE, CursorKind::Every));
    assert_eq!((middle.settled.as_slice(), middle.records, middle.bytes), ([].as_slice(), 0, 0));
    assert_eq!(middle.name, "middle");
    let time = From::Time(skerry_model::Timestamp::NEVER);
    let early = log.cursor("early", start(time)).await.unwrap();
    assert!(early.below <= at[0]);

    let again = log.cursor("middle", start(From::Oldest)).await.unwrap();
    assert_eq!(again, middle);
    let ids = [oldest.id, newest.id, middle.id, early.id];
    assert!(ids.iter().enumerate().all(|(one, id)| !ids[..one].contains(id)));
    // Names are texts of any kind, compared as they are.
    let strange = log.cursor("Middle/ é\u{0}", start(From::Oldest)).await.unwrap();
    assert!(strange.id != middle.id && strange.name == "Middle/ é\u{0}");
}

pub(super) async fn positions_move_forward_only(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let at = twenty(&*log).await;
    let id = log.cursor("c", start(From::Oldest)).await.unwrap().id;
    log.advance(id, told(at[10], &[])).await.unwrap();
    assert_eq!(shown(&*log, id).below, at[10]);
    log.advance(id, told(at[3], &[at[4]])).await.unwrap();
    let cursor = shown(&*log, id);
    assert!(cursor.below == at[10] && cursor.settled.is_empty(), "{cursor:?}");
    let end = log.extent(HERE).await.unwrap().next;
    log.advance(id, told(end, &[])).await.unwrap();
    assert_eq!(shown(&*log, id).below, end);
}

pub(super) async fn settled_records_are_kept_until_the_position_passes(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let at = twenty(&*log).await;
    let id = log.cursor("c", start(From::Sequence(at[0]))).await.unwrap().id;
    log.advance(id, told(at[0], &[at[9], at[5]])).await.unwrap();
    log.advance(id, told(at[0], &[at[7], at[9]])).await.unwrap();
    let cursor = shown(&*log, id);
    assert_eq!((cursor.below, cursor.settled.as_slice()), (at[0], [at[5], at[7], at[9]].as_slice()));

    log.advance(id, told(at[6], &[at[12]])).await.unwrap();
    let cursor = shown(&*log, id);
    assert_eq!((cursor.below, cursor.settled.as_slice()), (at[6], [at[7], at[9], at[12]].as_slice()));

    // The first of the rest: an engine may fold what is contiguous now into the position.
    log.advance(id, told(at[6], &[at[6]])).await.unwrap();
    let cursor = shown(&*log, id);
    for (one, sequence) in at.iter().enumerate() {
        assert_eq!(settles(&cursor, *sequence), one <= 7 || one == 9 || one == 12, "{one} of {cursor:?}");
    }
    assert!(cursor.settled.is_sorted() && cursor.settled.iter().all(|one| *one >= cursor.below));
}

pub(super) async fn too_many_settled_beyond_the_position_are_refused(engine: &dyn Engine) {
    let log = engine.open(Limits { settled_max: 4, ..Limits::default() });
    let at = twenty(&*log).await;
    let id = log.cursor("c", start(From::Sequence(at[0]))).await.unwrap().id;
    log.advance(id, told(at[0], &[at[2], at[4], at[6], at[8]])).await.unwrap();
    let before = shown(&*log, id);
    let outcome = log.advance(id, told(at[0], &[at[10]])).await;
    let Err(CursorError::TooFarAhead { below, settled_max: 4 }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(below, before.below);
    assert_eq!(shown(&*log, id), before, "what was refused changes nothing");
    // Told again, they are not more.
    log.advance(id, told(at[0], &[at[2], at[8]])).await.unwrap();
    // With the first settled there is room.
    log.advance(id, told(at[3], &[at[10]])).await.unwrap();
    let cursor = shown(&*log, id);
    assert!([0, 1, 2, 4, 6, 8, 10].iter().all(|one| settles(&cursor, at[*one])), "{cursor:?}");
    assert!([3, 5, 7, 9].iter().all(|one| !settles(&cursor, at[*one])), "{cursor:?}");
}

pub(super) async fn a_dropped_cursor_is_gone_for_good(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let at = twenty(&*log).await;
    let first = log.cursor("c", start(From::Oldest)).await.unwrap();
    log.advance(first.id, told(at[5], &[])).await.unwrap();
    log.drop_cursor(first.id).await.unwrap();
    assert_eq!(log.cursors(), []);
    let gone = CursorError::NoSuchCursor(NoSuchCursor { id: first.id });
    assert_eq!(log.drop_cursor(first.id).await, Err(gone.clone()));
    assert_eq!(log.advance(first.id, told(at[6], &[])).await, Err(gone));
    let second = log.cursor("c", start(From::Sequence(at[2]))).await.unwrap();
    assert!(second.id != first.id && second.below == at[2]);
}

pub(super) async fn synced_progress_is_there_for_whoever_opens_it_next(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let at = twenty(&*log).await;
    let id = log.cursor("c", start(From::Sequence(at[0]))).await.unwrap().id;
    let mut sure = shown(&*log, id);
    for one in 1..20 {
        let durability = [Durability::Memory, Durability::Written, Durability::Synced][one % 3];
        let found = log.cursor("c", start(From::Oldest)).await.unwrap();
        // What was told with less may be delivered again; nothing is ahead of what was told.
        assert!(found.below >= sure.below && found.below <= at[one - 1], "{one}: {found:?}");
        log.advance(id, Progress { durability, ..told(at[one], &[]) }).await.unwrap();
        assert_eq!(shown(&*log, id).below, at[one]);
        if durability == Durability::Synced {
            sure = shown(&*log, id);
            assert_eq!(log.cursor("c", start(From::Oldest)).await.unwrap(), sure);
        }
    }
}

pub(super) async fn every_cursor_is_listed(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    assert_eq!(log.cursors(), []);
    let mut made = Vec::new();
    for name in ["b", "a", "c"] {
        for partition in [HERE, THERE] {
            let start = Start { partition, ..start(From::Oldest) };
            made.push(log.cursor(&format!("{name} {partition:?}"), start).await.unwrap());
        }
    }
    Producer::new(1).send(&*log, draft("x")).await;
    let mut listed = log.cursors();
    listed.sort_by_key(|cursor| cursor.id);
    made.sort_by_key(|cursor| cursor.id);
    assert_eq!(listed, made);
}

pub(super) async fn a_cursor_that_nobody_made_is_unknown(engine: &dyn Engine) {
    let log = engine.open(Limits { partitions_max: 4, ..Limits::default() });
    let id = CursorId::from_number(77);
    let unknown = CursorError::NoSuchCursor(NoSuchCursor { id });
    assert_eq!(log.advance(id, told(sequence(0), &[])).await, Err(unknown.clone()));
    assert_eq!(log.drop_cursor(id).await, Err(unknown));
    let beyond = Start { partition: Partition::new(4), ..Start::default() };
    let outcome = log.cursor("c", beyond).await;
    assert!(matches!(outcome, Err(CursorError::Misuse(_) | CursorError::TooLarge(_))), "{outcome:?}");
    assert_eq!(log.cursors(), []);
}
