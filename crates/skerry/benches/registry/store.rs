//! Our side: the embedded engine behind the store's handle, with the options that a hub has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;
use skerry_store::documents::{
    Accept, Action, Change, Commit, CommitError, Comparison, Document, Documents as _, Expect, Field, Json,
    Lane, Literal, Narrow, Part, Scan, Step, Update,
};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};
use tokio::task::JoinSet;

use crate::disk;
use crate::fleet::{self, DEVICES, Device, Dice};
use crate::meter::{Measure, Trouble, measure, now, timed};

/// Rows of a query's first page.
pub(crate) const PAGE: usize = 100;
/// Commits in flight while loading.
const LOADERS: u64 = 2048;

#[derive(Clone)]
pub(crate) struct Store {
    documents: Arc<EmbeddedDocuments>,
    devices: u64,
    disk: disk::Device,
}

impl Store {
    pub(crate) fn open(path: &Path, devices: u64) -> Result<Self, Trouble> {
        let documents = Arc::new(EmbeddedDocuments::open(EmbeddedOptions::new(path))?);
        Ok(Self { documents, devices, disk: disk::Device::of(path) })
    }

    /// Puts every device in, by the bulk lane, as an import does.
    pub(crate) async fn load(&self) -> Result<(), Trouble> {
        let next = Arc::new(AtomicU64::new(0));
        let mut loaders: JoinSet<Result<(), CommitError>> = JoinSet::new();
        for _ in 0..LOADERS.min(self.devices) {
            let (next, store) = (next.clone(), self.clone());
            loaders.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= store.devices {
                        return Ok(());
                    }
                    let key = fleet::key(number);
                    let group = key.group.clone();
                    let action = Action::Put(Device::new(number).body());
                    let change = Change { key, expect: Expect::Absent, action, note: Vec::new() };
                    store.documents.commit(Commit::new(group, vec![change]).in_lane(Lane::Bulk)).await?;
                }
            });
        }
        while let Some(loader) = loaders.join_next().await {
            loader??;
        }
        Ok(())
    }

    async fn device(&self, number: u64) -> Result<Document, Trouble> {
        let found = self.documents.get(&fleet::key(number), None).await?;
        found.ok_or_else(|| format!("device {number} is not there").into())
    }

    /// Reads random devices; `decoded` turns each part into a value, as a caller would.
    pub(crate) async fn reads(
        &self,
        lanes: usize,
        decoded: bool,
        span: Duration,
    ) -> Result<Measure, Trouble> {
        measure(lanes, span, |lane, mut recorder| {
            let (store, mut dice) = (self.clone(), Dice::new(1 + lane));
            async move {
                while recorder.goes_on() {
                    let began = now();
                    let document = store.device(dice.below(store.devices)).await?;
                    if decoded {
                        for part in Part::ALL {
                            std::hint::black_box(document.body.part(part).decode()?);
                        }
                    }
                    std::hint::black_box(&document);
                    recorder.done(began);
                }
                Ok(recorder)
            }
        })
        .await
    }

    /// Reads a random device, changes its desired properties and commits if nobody was faster.
    pub(crate) async fn patches(&self, lanes: usize, span: Duration) -> Result<Measure, Trouble> {
        let before = (self.disk.written(), self.documents.figures().groups);
        let measured = measure(lanes, span, |lane, mut recorder| {
            let (store, mut dice) = (self.clone(), Dice::new(1_000_000 + lane));
            async move {
                while recorder.goes_on() {
                    let began = now();
                    if store.patch(&mut dice).await? {
                        recorder.done(began);
                    }
                }
                Ok(recorder)
            }
        })
        .await?;
        let mut measured = measured.with_writes(&self.disk, before.0);
        measured.syncs = Some(self.documents.figures().groups - before.1);
        Ok(measured)
    }

    /// `false` when somebody else was faster.
    async fn patch(&self, dice: &mut Dice) -> Result<bool, Trouble> {
        let document = self.device(dice.below(self.devices)).await?;
        let desired = fleet::patched(document.body.desired.decode()?, dice);
        let note = format!("{{\"desired\":{{\"interval\":{}}}}}", desired["interval"]).into_bytes();
        let update = Update {
            desired: Some(Json::encode(&desired)),
            packed: Some(fleet::packed(dice)),
            ..Update::default()
        };
        let (group, expect) = (document.key.group.clone(), Expect::Revision(document.revision));
        let change = Change { key: document.key, expect, action: Action::Update(update), note };
        match self.documents.commit(Commit::new(group, vec![change])).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for devices by two random tags, one question at a time.
    pub(crate) async fn queries(&self, span: Duration) -> Result<Measure, Trouble> {
        measure(1, span, |lane, mut recorder| {
            let (store, mut dice) = (self.clone(), Dice::new(2_000_000 + lane));
            async move {
                while recorder.goes_on() {
                    let began = now();
                    store.query(dice.below(fleet::SITES), dice.below(fleet::KINDS)).await?;
                    recorder.done(began);
                }
                Ok(recorder)
            }
        })
        .await
    }

    /// The first page of a two-tag question; answers how many devices it has.
    pub(crate) async fn query(&self, site: u64, kind: u64) -> Result<usize, Trouble> {
        let equal = |field: Field, text: String| Narrow::Compare {
            field,
            comparison: Comparison::Equal,
            literal: Literal::Text(text),
        };
        let [by_site, by_kind] = tags();
        let narrow = Narrow::And(vec![equal(by_site, fleet::site(site)), equal(by_kind, fleet::kind(kind))]);
        let mut scan = Scan { narrow, limit: PAGE, ..Scan::all(DEVICES) };
        let mut found = 0;
        loop {
            let page = self.documents.scan(scan.clone()).await?;
            found += page.documents.len();
            std::hint::black_box(&page.documents);
            scan.limit = PAGE.saturating_sub(found);
            scan.after = page.next;
            if scan.after.is_none() || scan.limit == 0 {
                return Ok(found);
            }
        }
    }

    /// Declares the two-tag index and waits until scans use it.
    pub(crate) async fn build_index(&self) -> Result<(), Trouble> {
        self.documents.declare_index(DEVICES, &tags()).await?;
        while !self.documents.indexes().iter().all(|index| index.complete) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub(crate) async fn count(&self) -> Result<u64, Trouble> {
        Ok(self.documents.count(Scan::all(DEVICES)).await?)
    }

    /// Counts what a filter lets through that no index and no SQL can decide.
    pub(crate) async fn filter(&self) -> Result<u64, Trouble> {
        let path = [Step::Name("interval".to_owned())];
        let passes = move |document: &Document| {
            let interval = document.body.desired.get(&path).as_ref().and_then(Value::as_u64);
            interval.is_some_and(|interval| interval % fleet::PASSES == 0)
        };
        let accept: Accept = Arc::new(passes);
        Ok(self.documents.count(Scan { accept: Some(accept), ..Scan::all(DEVICES) }).await?)
    }

    /// Opens the store again and reads one device: until then nothing is answered.
    pub(crate) async fn cold_read(path: &Path, devices: u64) -> Result<(Self, Duration), Trouble> {
        let first_answer = async {
            let store = Self::open(path, devices)?;
            store.device(devices / 2).await?;
            Ok(store)
        };
        timed(first_answer).await
    }
}

fn tags() -> [Field; 2] {
    ["site", "kind"].map(|name| Field::In(Part::Tags, vec![Step::Name(name.to_owned())]))
}
