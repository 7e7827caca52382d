//! The same operations as on our side, as PostgreSQL does them best.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Server;
use super::wire::{Reply, Wire};
use crate::disk;
use crate::fleet::{self, Device, Dice};
use crate::meter::{Measure, Recorder, Trouble, measure, now, timed};
use crate::store::PAGE;

const TABLE: &str = "CREATE TABLE documents (id text PRIMARY KEY, revision bigint NOT NULL, \
    identity jsonb NOT NULL, tags jsonb NOT NULL, desired jsonb NOT NULL, reported jsonb NOT NULL, packed bytea NOT NULL)";
const INDEX: &str = "CREATE INDEX documents_tags ON documents ((tags->>'site'), (tags->>'kind'))";
const GET: &str = "SELECT revision, identity, tags, desired, reported, packed FROM documents WHERE id = $1";
const READ: &str = "SELECT revision, desired FROM documents WHERE id = $1";
const PATCH: &str =
    "UPDATE documents SET desired = $1, packed = $2, revision = revision + 1 WHERE id = $3 AND revision = $4";
const QUERY: &str = "SELECT id, revision, identity, tags, desired, reported, packed FROM documents \
    WHERE tags->>'site' = $1 AND tags->>'kind' = $2 ORDER BY id LIMIT ";

/// Connections, and requests on their way on each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) connections: usize,
    pub(crate) depth: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Read { decoded: bool },
    Patch,
}

pub(crate) struct Peer {
    server: Server,
    devices: u64,
}

impl Peer {
    pub(crate) async fn start(folder: &std::path::Path, devices: u64) -> Result<Self, Trouble> {
        Ok(Self { server: Server::start(folder).await?, devices })
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.server.data()
    }

    /// Fills the table the fastest way there is, then tidies it as an operator would.
    pub(crate) async fn load(&self) -> Result<(), Trouble> {
        let mut wire = self.server.connect().await?;
        wire.run(TABLE).await?;
        wire.begin_copy("COPY documents FROM STDIN").await?;
        let mut lines = String::new();
        for number in 0..self.devices {
            let device = Device::new(number);
            write!(lines, "{}\t0", fleet::id(number))?;
            for part in device.parts() {
                // The devices hold nothing that COPY would want escaped.
                write!(lines, "\t{part}")?;
            }
            lines.push_str("\t\\\\x");
            for byte in &device.packed {
                write!(lines, "{byte:02x}")?;
            }
            lines.push('\n');
            if lines.len() > 1 << 18 || number + 1 == self.devices {
                wire.copy(lines.as_bytes()).await?;
                lines.clear();
            }
        }
        wire.copied().await
    }

    /// What keeps plans good and pages clean; not a part of any measure.
    pub(crate) async fn tidy(&self) -> Result<(), Trouble> {
        let mut wire = self.server.connect().await?;
        wire.run("VACUUM ANALYZE documents").await?;
        wire.run("CHECKPOINT").await.map(drop)
    }

    pub(crate) async fn build_index(&self) -> Result<(), Trouble> {
        self.server.connect().await?.run(INDEX).await.map(drop)
    }

    async fn session(&self) -> Result<Wire, Trouble> {
        let mut wire = self.server.connect().await?;
        wire.prepare("get", GET).await?;
        wire.prepare("read", READ).await?;
        wire.prepare("patch", PATCH).await?;
        wire.prepare("query", &format!("{QUERY}{PAGE}")).await?;
        Ok(wire)
    }

    pub(crate) async fn reads(&self, way: Way, decoded: bool, span: Duration) -> Result<Measure, Trouble> {
        self.work(way, Work::Read { decoded }, span).await
    }

    pub(crate) async fn patches(&self, way: Way, span: Duration) -> Result<Measure, Trouble> {
        let device = disk::Device::of(&self.data());
        let (syncs_before, before) = (self.syncs().await?, device.written());
        let mut measured = self.work(way, Work::Patch, span).await?.with_writes(&device, before);
        measured.syncs = syncs_before.zip(self.syncs().await?).map(|(before, after)| after - before);
        Ok(measured)
    }

    async fn work(&self, way: Way, work: Work, span: Duration) -> Result<Measure, Trouble> {
        let mut sessions = Vec::new();
        for _ in 0..way.connections {
            sessions.push(Some(self.session().await?));
        }
        let sessions = Arc::new(Mutex::new(sessions));
        measure(way.connections, span, |lane, recorder| {
            let (sessions, dice, devices) = (sessions.clone(), Dice::new(3_000_000 + lane), self.devices);
            async move {
                let wire = sessions.lock().await.get_mut(lane as usize).and_then(Option::take);
                let mut lane = Lane { wire: wire.ok_or("no session")?, dice, devices, work };
                lane.run(way.depth, recorder).await
            }
        })
        .await
    }

    /// Times that the write-ahead log was synced. Sessions tell it when they end.
    async fn syncs(&self) -> Result<Option<u64>, Trouble> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = self.server.connect().await?.run("SELECT wal_sync FROM pg_stat_wal").await?;
        let text = reply.rows.first().and_then(|row| row.first());
        Ok(text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()))
    }

    pub(crate) async fn queries(&self, span: Duration) -> Result<Measure, Trouble> {
        let session = Arc::new(Mutex::new(self.session().await?));
        measure(1, span, |lane, mut recorder| {
            let (session, mut dice) = (session.clone(), Dice::new(2_000_000 + lane));
            async move {
                let mut wire = session.lock().await;
                while recorder.goes_on() {
                    let began = now();
                    query(&mut wire, dice.below(fleet::SITES), dice.below(fleet::KINDS)).await?;
                    recorder.done(began);
                }
                drop(wire);
                Ok(recorder)
            }
        })
        .await
    }

    pub(crate) async fn query(&self, site: u64, kind: u64) -> Result<usize, Trouble> {
        query(&mut self.session().await?, site, kind).await
    }

    pub(crate) async fn count(&self) -> Result<(), Trouble> {
        self.server.connect().await?.run("SELECT count(*) FROM documents").await.map(drop)
    }

    pub(crate) async fn filter(&self) -> Result<(), Trouble> {
        let modulus = fleet::PASSES;
        let sql =
            format!("SELECT count(*) FROM documents WHERE (desired->>'interval')::bigint % {modulus} = 0");
        self.server.connect().await?.run(&sql).await.map(drop)
    }

    /// Ends the server in the middle of patches and measures the start until a read is answered.
    pub(crate) async fn cold_start(&mut self) -> Result<Duration, Trouble> {
        let mut writers = JoinSet::new();
        let mut sessions = Vec::new();
        for _ in 0..64 {
            sessions.push(self.session().await?);
        }
        for (lane, wire) in sessions.into_iter().enumerate() {
            let mut lane =
                Lane { wire, dice: Dice::new(lane as u64), devices: self.devices, work: Work::Patch };
            writers.spawn(async move { lane.endless().await });
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        self.server.crash()?;
        while writers.join_next().await.is_some() {}
        disk::forget_caches();
        let first_answer = async {
            self.server.run().await?;
            let mut wire = self.session().await?;
            wire.ask("get", &[fleet::id(self.devices / 2).as_bytes()]);
            wire.reply().await.map(drop)
        };
        Ok(timed(first_answer).await?.1)
    }
}

async fn query(wire: &mut Wire, site: u64, kind: u64) -> Result<usize, Trouble> {
    wire.ask("query", &[fleet::site(site).as_bytes(), fleet::kind(kind).as_bytes()]);
    Ok(wire.reply().await?.rows.len())
}

/// A request on its way.
enum Step {
    Read(Instant, String),
    Patch(Instant),
}

struct Lane {
    wire: Wire,
    dice: Dice,
    devices: u64,
    work: Work,
}

impl Lane {
    async fn run(&mut self, depth: usize, mut recorder: Recorder) -> Result<Recorder, Trouble> {
        let mut steps = VecDeque::with_capacity(depth);
        loop {
            while steps.len() < depth && recorder.goes_on() {
                steps.push_back(self.begin());
            }
            let Some(step) = steps.pop_front() else { return Ok(recorder) };
            let reply = self.wire.reply().await?;
            match step {
                Step::Read(began, id) => match self.arrived(began, &id, &reply)? {
                    Some(next) => steps.push_back(next),
                    None => recorder.done(began),
                },
                Step::Patch(began) if reply.affected() == 1 => recorder.done(began),
                Step::Patch(_) => {}
            }
        }
    }

    async fn endless(&mut self) -> Result<(), Trouble> {
        loop {
            let mut step = Some(self.begin());
            while let Some(Step::Read(began, id)) = step {
                let reply = self.wire.reply().await?;
                step = self.arrived(began, &id, &reply)?;
            }
            self.wire.reply().await?;
        }
    }

    fn begin(&mut self) -> Step {
        let (began, id) = (now(), fleet::id(self.dice.below(self.devices)));
        self.wire.ask(if self.work == Work::Patch { "read" } else { "get" }, &[id.as_bytes()]);
        Step::Read(began, id)
    }

    /// A device came; a patch goes on with it.
    fn arrived(&mut self, began: Instant, id: &str, reply: &Reply) -> Result<Option<Step>, Trouble> {
        let row = reply.rows.first().ok_or("a device is not there")?;
        match self.work {
            Work::Read { decoded } => {
                for part in row.iter().skip(1).take(if decoded { 4 } else { 0 }) {
                    std::hint::black_box(json(part)?);
                }
                Ok(None)
            }
            Work::Patch => {
                let [revision, desired] = row.as_slice() else { return Err("two columns".into()) };
                let mut value = vec![1];
                value
                    .extend_from_slice(fleet::patched(json(desired)?, &mut self.dice).to_string().as_bytes());
                let packed = fleet::packed(&mut self.dice);
                self.wire.ask("patch", &[&value, &packed, id.as_bytes(), revision]);
                Ok(Some(Step::Patch(began)))
            }
        }
    }
}

/// A binary `jsonb`: a version, then text.
fn json(bytes: &Bytes) -> Result<Value, Trouble> {
    Ok(serde_json::from_slice(bytes.get(1..).unwrap_or_default())?)
}
