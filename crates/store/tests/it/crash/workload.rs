//! Commits whose every state is known in advance, so that what is found after a cut can be told
//! whole or broken.
//!
//! Commit `n` of a group writes a few of its documents, each stamped with `n`, and removes others.
//! The state of a group after `n` commits is computed by [`state`]; a store is right when each
//! group is in the state of some `n` between what was answered and what was asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use skerry_store::documents::{
    Action, Body, Change, ChangeKind, Commit, Comparison, Documents, Expect, Field, Json, Key, Literal,
    Narrow, Part, Revision, Scan, Step, Update,
};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use crate::samples::{DEVICES, Dice};

pub(crate) const GROUPS: usize = 4;
const NAMES: [&str; 5] = ["", "a", "b", "c", "d"];

enum Step1 {
    Put,
    Update,
    Delete,
}

/// What commit `n` does, the same each time it is asked.
fn steps(group: usize, n: u64) -> Vec<(&'static str, Step1)> {
    let mut dice = Dice(group as u64 * 1_000_003 + n);
    // The head is always written, so that every commit shows.
    let mut steps = vec![("", if n == 1 || dice.roll(2) == 0 { Step1::Put } else { Step1::Update })];
    for name in &NAMES[1..] {
        match dice.roll(4) {
            0 => steps.push((name, Step1::Put)),
            1 => steps.push((name, Step1::Delete)),
            _ => {}
        }
    }
    steps
}

fn group_name(group: usize) -> String {
    format!("g{group}")
}

/// The `n`-th commit of a group.
pub(crate) fn commit(group: usize, n: u64) -> Commit {
    let name = group_name(group);
    let tags = Json::encode(&json!({ "n": n, "even": n.is_multiple_of(2) }));
    let fill = Json::encode(&json!("x".repeat((n as usize * 37) % 900)));
    let changes = steps(group, n).into_iter().map(|(member, step)| {
        let action = match step {
            Step1::Put => Action::Put(Body { tags: tags.clone(), reported: fill.clone(), ..Body::default() }),
            Step1::Update => Action::Update(Update {
                tags: Some(tags.clone()),
                reported: Some(fill.clone()),
                ..Update::default()
            }),
            Step1::Delete => Action::Delete,
        };
        let key = Key::new(DEVICES, &*name, member);
        Change { key, expect: Expect::Anything, action, note: n.to_be_bytes().to_vec() }
    });
    Commit::new(&*name, changes.collect())
}

/// Which documents a group has after `n` commits, and the commit that wrote each.
fn state(group: usize, n: u64) -> BTreeMap<String, u64> {
    let mut state = BTreeMap::new();
    for n in 1..=n {
        for (member, step) in steps(group, n) {
            match step {
                Step1::Put | Step1::Update => drop(state.insert(member.to_owned(), n)),
                Step1::Delete => drop(state.remove(member)),
            }
        }
    }
    state
}

pub(crate) fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        readers: 1,
        cache_bytes: 1 << 20,
        // The least there is: many checkpoints.
        checkpoint_bytes: 256 << 10,
        ..EmbeddedOptions::new(directory.join("documents.db"))
    }
}

pub(crate) fn even() -> Field {
    Field::In(Part::Tags, vec![Step::Name("even".into())])
}

/// Runs the commits `from..=to` of every group at the same time; tells each answer.
pub(crate) async fn run(
    store: &Arc<EmbeddedDocuments>,
    from: u64,
    to: u64,
    answered: impl Fn(usize, u64) + Clone + Send + 'static,
) {
    let groups = (0..GROUPS).map(|group| {
        let (store, answered) = (store.clone(), answered.clone());
        tokio::spawn(async move {
            for n in from..=to {
                store.commit(commit(group, n)).await.unwrap();
                answered(group, n);
            }
        })
    });
    for group in groups.collect::<Vec<_>>() {
        group.await.unwrap();
    }
}

/// Opens the store and compares it with what was answered; says what is wrong. Answers how many
/// commits each group has.
pub(crate) async fn verify(directory: &Path, acked: &[u64; GROUPS]) -> Result<[u64; GROUPS], String> {
    let store = EmbeddedDocuments::open(options(directory)).map_err(|error| error.to_string())?;
    let page = store.scan(Scan::all(DEVICES)).await.map_err(|error| error.to_string())?;
    let mut found: Vec<BTreeMap<String, u64>> = vec![BTreeMap::new(); GROUPS];
    let mut revisions = BTreeMap::new();
    for document in page.documents {
        let group: usize = document.key.group[1..].parse().unwrap();
        let tags = document.body.tags.decode().map_err(|error| error.to_string())?;
        found[group].insert(document.key.name.clone(), tags["n"].as_u64().unwrap());
        revisions.insert(document.key, document.revision);
    }
    let mut counts = [0; GROUPS];
    for (group, found) in found.iter().enumerate() {
        let n = found.get("").copied().unwrap_or(0);
        if n < acked[group] {
            return Err(format!("group {group} is at {n}, but {} was answered", acked[group]));
        }
        if *found != state(group, n) {
            return Err(format!("group {group} is half at {n}: {found:?} is not {:?}", state(group, n)));
        }
        counts[group] = n;
    }
    records(&store, &counts, &revisions).await?;
    index(&store).await?;
    Ok(counts)
}

/// The change records tell the same story as the documents.
async fn records(
    store: &EmbeddedDocuments,
    counts: &[u64; GROUPS],
    revisions: &BTreeMap<Key, Revision>,
) -> Result<(), String> {
    let mut last = [0; GROUPS];
    let mut told: BTreeMap<Key, Revision> = BTreeMap::new();
    let (mut follower, mut at) = (store.follow(Revision::ZERO), Revision::ZERO);
    while at < store.revision() {
        for record in follower.next().await.map_err(|error| error.to_string())? {
            at = record.revision;
            let group: usize = record.key.group[1..].parse().unwrap();
            let n = u64::from_be_bytes(record.note.try_into().unwrap());
            if n != last[group] && n != last[group] + 1 {
                return Err(format!("the records of group {group} go from {} to {n}", last[group]));
            }
            last[group] = n;
            match record.kind {
                ChangeKind::Delete => drop(told.remove(&record.key)),
                _ => drop(told.insert(record.key, record.revision)),
            }
        }
    }
    match last == *counts && told == *revisions {
        true => Ok(()),
        false => Err(format!("the records end at {last:?}, the documents at {counts:?}")),
    }
}

/// The index, where there is one by now, names the documents that a look at all of them finds.
async fn index(store: &EmbeddedDocuments) -> Result<(), String> {
    if !store.indexes().iter().any(|index| index.complete) {
        return Ok(());
    }
    for truth in [true, false] {
        let literal = Literal::Bool(truth);
        let narrow = Narrow::Compare { field: even(), comparison: Comparison::Equal, literal };
        let wanted = narrow.clone();
        let by_index = Scan { narrow, ..Scan::all(DEVICES) };
        let by_look =
            Scan { accept: Some(Arc::new(move |document| wanted.meets(document))), ..Scan::all(DEVICES) };
        let one = store.scan(by_index).await.map_err(|error| error.to_string())?;
        let other = store.scan(by_look).await.map_err(|error| error.to_string())?;
        if one.documents != other.documents {
            return Err("the index and the documents differ".into());
        }
    }
    Ok(())
}
