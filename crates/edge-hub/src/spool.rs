//! Store and forward: a letter is written once, and read by every queue that wants it.
//!
//! ```text
//!  publish ──► table of routes ──► one record, wanted by the cursors of its queues ──► durable ──► done
//!                     │                  └── pumps read: pump/ ──► settled by all (sending.rs) ──┘
//!                     └── all that want it take it at once: past the log (direct/) ──► settled ──┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use skerry_front::device::{PublishRefused, Unavailable};
use skerry_model::DeviceId;
use skerry_model::limits::DEVICE_MESSAGE_BYTES_MAX;
use skerry_model::message::Message;
use skerry_store::log::{
    self, AppendError, Batch, CursorError, CursorId, CursorKind, Draft, Durability, From, Log, Order, Start,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::{Config, WhenFull};
use crate::direct::{Bound, Direct};
use crate::endpoint::QueueName;
use crate::figures::Figures;
use crate::letter::{Kind, Letter, Letterhead, Life};
use crate::lifetime::{Lifetime, MachineTime};
use crate::room::{Allowed, GivingWay, NotStored};
use crate::routes::{Destination, Table, compile, destinations};
use crate::sending::Unsettled;

/// Says that a property was set by a hub: a client that sets it itself would be believed.
const HUBS_OWN: [&str; 2] = ["$.cdid", "$.cmid"];
/// How often a sender looks while the oldest letters make room, and how long it waits between.
const ROOM_TRIES: u32 = 20;
const ROOM_PAUSE: Duration = Duration::from_millis(250);
const ROOM_STEP: Duration = Duration::from_millis(10);
const ROOM_STEPS: u32 = 5;
/// Dropping many from a slow disk takes its time.
const SHED_PAUSES_MAX: u32 = 40;

/// The letters of one connection, which do not overtake each other.
#[derive(Default)]
pub(crate) struct Line {
    batches: log::Line,
    turn: tokio::sync::Mutex<()>,
    /// A refusal does not end the connection, as in AMQP: when all are answered, what comes is new.
    goes_on: bool,
}

impl Line {
    pub(crate) fn new(goes_on: bool) -> Self {
        Self { goes_on, ..Self::default() }
    }
}

pub(crate) struct Spool {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) figures: Arc<Figures>,
    durability: Durability,
    lifetime: Lifetime,
    machine: Arc<dyn MachineTime>,
    /// Since the machine's boot, when this began.
    up: Duration,
    began: Instant,
    rules: ArcSwap<Rules>,
    pub(crate) unsettled: Arc<Unsettled>,
    pub(crate) direct: Arc<Direct>,
    /// Whose modules' inputs there are.
    device: DeviceId,
    queues: watch::Sender<Arc<Queues>>,
    /// One change of the configuration at a time.
    turn: tokio::sync::Mutex<()>,
    /// Letters that are to give way, for the pumps.
    pub(crate) giving_way: watch::Sender<GivingWay>,
    /// A pump has dropped what was to give way.
    pub(crate) has_shed: Notify,
    /// Pumps that are at it.
    pub(crate) shedding: AtomicUsize,
    /// One at a time makes room for itself, so that no more gives way than has to.
    making_room: tokio::sync::Mutex<()>,
    refused: AtomicU64,
    is_configured: AtomicBool,
}

/// The queues that letters may go to, by name.
pub(crate) type Queues = BTreeMap<QueueName, CursorId>;

#[derive(Default)]
struct Rules {
    table: Table,
    queues: Arc<Queues>,
    lasts: Option<Duration>,
    allowed: Allowed,
    when_full: WhenFull,
}

impl Spool {
    /// Queues that are in the log are there from the beginning, whatever the configuration says later.
    ///
    /// `run` is this process among all that had the log.
    pub(crate) fn open(
        device: DeviceId,
        log: Arc<dyn Log>,
        durability: Durability,
        lifetime: Lifetime,
        machine: Arc<dyn MachineTime>,
        (figures, run): (Arc<Figures>, u64),
    ) -> Self {
        let direct = Direct::new(Arc::clone(&log), durability, Arc::clone(&figures), run);
        let mut queues = Queues::new();
        for cursor in log.cursors() {
            if let Some(name) = QueueName::parse(&cursor.name) {
                direct.know(device.as_str(), &name, cursor.id, cursor.records);
                queues.insert(name, cursor.id);
            }
        }
        let queues = Arc::new(queues);
        let rules = Rules { queues: Arc::clone(&queues), ..Rules::default() };
        Self {
            log,
            figures,
            durability,
            lifetime,
            up: machine.now().up,
            began: Instant::now(),
            machine,
            rules: ArcSwap::from_pointee(rules),
            unsettled: Arc::default(),
            direct,
            device,
            queues: watch::Sender::new(queues),
            turn: tokio::sync::Mutex::default(),
            giving_way: watch::Sender::default(),
            has_shed: Notify::new(),
            shedding: AtomicUsize::new(0),
            making_room: tokio::sync::Mutex::default(),
            refused: AtomicU64::new(0),
            is_configured: AtomicBool::new(false),
        }
    }

    /// Takes a configuration. Letters that wait in queues which nothing leads to any more are still delivered.
    pub(crate) async fn configure(
        &self,
        config: &Config,
        mut faults: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, CursorError> {
        let _turn = self.turn.lock().await;
        let before = self.rules.load_full();
        let table = compile(&config.routes, &before.table, &mut faults);
        let wanted: Vec<QueueName> = table.values().map(|compiled| compiled.queue().clone()).collect();
        let mut queues = Queues::clone(&before.queues);
        for name in &wanted {
            if !queues.contains_key(name) {
                let start = Start { kind: CursorKind::Wanted, from: From::Newest, ..Start::default() };
                let cursor = self.log.cursor(&name.cursor(), start).await?;
                self.direct.know(self.device.as_str(), name, cursor.id, cursor.records);
                queues.insert(name.clone(), cursor.id);
            }
        }
        // Only while nobody publishes yet: later somebody may still be following the old table.
        let unused =
            if self.is_configured.swap(true, Relaxed) { Vec::new() } else { self.unused(&queues, &wanted) };
        for (name, _) in &unused {
            queues.remove(name);
        }
        let queues = Arc::new(queues);
        let allowed = Allowed { bytes: config.bytes_max, queue_bytes: config.queue_bytes_max };
        let Config { lasts, when_full, .. } = *config;
        self.rules.store(Arc::new(Rules { table, queues: Arc::clone(&queues), lasts, allowed, when_full }));
        self.queues.send_replace(queues);
        for (_, cursor) in unused {
            self.log.drop_cursor(cursor).await?;
        }
        Ok(faults)
    }

    /// Queues that no route leads to, and that are empty.
    fn unused(&self, queues: &Queues, wanted: &[QueueName]) -> Vec<(QueueName, CursorId)> {
        let cursors = self.log.cursors();
        let is_empty = |id: &CursorId| cursors.iter().any(|cursor| cursor.id == *id && cursor.records == 0);
        let unused = queues.iter().filter(|(name, cursor)| !wanted.contains(name) && is_empty(cursor));
        unused.map(|(name, cursor)| (name.clone(), *cursor)).collect()
    }

    /// Changes when queues come or go.
    pub(crate) fn queues(&self) -> watch::Receiver<Arc<Queues>> {
        self.queues.subscribe()
    }

    /// What the edge's own clock shows.
    pub(crate) fn now(&self) -> Duration {
        self.lifetime.at(self.up + self.began.elapsed())
    }

    pub(crate) fn keep_time(&self) -> crate::lifetime::Kept {
        self.lifetime.keep(self.machine.now().up)
    }

    /// Whether somebody wants to hear of changes of twins.
    pub(crate) fn wants_twin_changes(&self) -> bool {
        self.rules.load().table.values().any(|compiled| compiled.takes_twin_changes())
    }

    /// Keeps the messages of one sender in order, in every queue that a route leads to.
    pub(crate) async fn publish(
        &self,
        letterhead: &Letterhead,
        line: &Line,
        letters: Vec<Letter>,
    ) -> Result<(), PublishRefused> {
        let id = letterhead.label.as_str();
        let mut bound = Vec::with_capacity(letters.len());
        let now = self.now();
        let rules = self.rules.load_full();
        for mut letter in letters {
            letter.message.application.retain(|(name, _)| !HUBS_OWN.contains(&name.as_str()));
            let checked = letter.message.check(DEVICE_MESSAGE_BYTES_MAX);
            checked.map_err(|error| PublishRefused::Invalid { what: error.to_string() })?;
            let output = letter.message.system.output.as_deref().unwrap_or_default();
            if letter.kind == Kind::Telemetry {
                let series = || self.figures.messages_received.one(&[("route_output", output), ("id", id)]);
                letterhead.received.add(output, 1, series);
                let size = letterhead.size.get_or_init(|| self.figures.size.one(&[("id", id)]));
                #[expect(clippy::cast_precision_loss, reason = "messages are small")]
                size.record(letter.message.body.len() as f64);
            }
            let to = destinations(&rules.table, &letter, rules.lasts);
            if to.is_empty() {
                if letter.kind == Kind::Telemetry {
                    self.drop_counted("no_route", id, output);
                }
                continue;
            }
            let draft = draft(letterhead, &rules, &letter.message, now, &to);
            bound.push(Bound { draft, letter });
        }
        if bound.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        match self.take(line, bound, &rules).await {
            Ok(()) => {
                self.figures.durable.record(begun.elapsed());
                Ok(())
            }
            Err(error) => {
                let labels = [("reason", error.reason()), ("from", id), ("from_route_output", "")];
                self.figures.messages_unacknowledged.add(&labels, 1);
                Err(Unavailable { what: format!("the message is not stored: {error}") }.into())
            }
        }
    }

    async fn take(&self, line: &Line, bound: Vec<Bound>, rules: &Rules) -> Result<(), NotStored> {
        let count = bound.len() as u64;
        let _under_way = line.goes_on.then(|| line.batches.enter());
        let outcome = match rules.when_full {
            WhenFull::Refuse => self.take_behind(line, bound, rules).await,
            WhenFull::DropOldest => {
                // Nothing overtakes one that waits for room.
                let _turn = line.turn.lock().await;
                self.take_behind(line, bound, rules).await
            }
        };
        if outcome.is_err() {
            // Its sender sends all of them again, from this one on.
            line.batches.order().break_off();
            self.refused.fetch_add(count, Relaxed);
        }
        outcome
    }

    async fn take_behind(&self, line: &Line, bound: Vec<Bound>, rules: &Rules) -> Result<(), NotStored> {
        if line.batches.order().is_broken() {
            return Err(NotStored::Log(AppendError::AfterFailure));
        }
        let bound = match self.direct.hand(line.batches.order(), bound) {
            Ok(awaited) => return awaited.done().await,
            Err(bound) => bound,
        };
        let drafts = bound.into_iter().map(|bound| bound.draft).collect();
        match rules.when_full {
            WhenFull::Refuse => self.append_once(line.batches.order(), drafts, rules).await,
            WhenFull::DropOldest => self.append_with_room(line.batches.order(), drafts, rules).await,
        }
    }

    /// Lets the oldest give way until there is room.
    async fn append_with_room(
        &self,
        order: &Order,
        drafts: Vec<Draft>,
        rules: &Rules,
    ) -> Result<(), NotStored> {
        let lacks_room = |outcome: &Result<(), NotStored>| {
            outcome.as_ref().err().is_some_and(|error| error.lacks_room().is_some())
        };
        let mut outcome = self.append_once(order, drafts.clone(), rules).await;
        if !lacks_room(&outcome) {
            return outcome;
        }
        let _turn = self.making_room.lock().await;
        let mut count = drafts.len() as u64;
        for _ in 0..ROOM_TRIES {
            order.resume();
            let shed = self.has_shed.notified();
            if let Some(lacking) = outcome.as_ref().err().and_then(NotStored::lacks_room) {
                self.giving_way.send_modify(|asked| asked.ask(lacking, count));
            }
            // Whether somebody dropped anything or not, it is seen by the room that there is.
            drop(tokio::time::timeout(ROOM_PAUSE, shed).await);
            for _ in 0..SHED_PAUSES_MAX {
                if self.shedding.load(SeqCst) == 0 {
                    break;
                }
                drop(tokio::time::timeout(ROOM_PAUSE, self.has_shed.notified()).await);
            }
            // Files go a moment after what lay in them.
            for _ in 0..ROOM_STEPS {
                outcome = self.append_once(order, drafts.clone(), rules).await;
                if !lacks_room(&outcome) {
                    return outcome;
                }
                order.resume();
                tokio::time::sleep(ROOM_STEP).await;
            }
            // A log gives back room by the file.
            count *= 2;
        }
        outcome
    }

    /// Done when they are durable, or every endpoint has settled them.
    async fn append_once(&self, order: &Order, drafts: Vec<Draft>, rules: &Rules) -> Result<(), NotStored> {
        if let Some(not_stored) = rules.allowed.refuses(&*self.log, &rules.queues, &drafts) {
            return Err(not_stored);
        }
        let awaited = self.unsettled.begin(&drafts);
        let batch = Batch::new(drafts, self.durability).in_order(order).patient().early(awaited.early());
        let outcomes = tokio::select! {
            biased;
            outcomes = self.direct.append(batch) => outcomes,
            () = awaited.settled() => return Ok(()),
        };
        match outcomes.into_iter().find_map(Result::err) {
            None => Ok(()),
            // Some may have them twice, when they are sent again.
            Some(error) if awaited.are_seen() => Err(NotStored::Seen(error)),
            Some(error) => Err(NotStored::Log(error)),
        }
    }

    /// A letter goes nowhere any more.
    pub(crate) fn drop_counted(&self, reason: &str, from: &str, output: &str) {
        let labels = [("reason", reason), ("from", from), ("from_route_output", output)];
        self.figures.messages_dropped.add(&labels, 1);
    }

    /// The same for one that was stored.
    pub(crate) fn drop_letter(&self, reason: &str, letter: &Letter) {
        let output = letter.message.system.output.as_deref().unwrap_or_default();
        self.drop_counted(reason, &letter.from.to_string(), output);
    }

    /// How many letters wait in each queue, with their bytes.
    pub(crate) fn lengths(&self) -> Vec<(QueueName, u64, u64)> {
        let cursors = self.log.cursors().into_iter();
        cursors
            .filter_map(|cursor| Some((QueueName::parse(&cursor.name)?, cursor.records, cursor.bytes)))
            .collect()
    }

    /// Letters that were not taken because there was no room for them.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

fn draft(
    letterhead: &Letterhead,
    rules: &Rules,
    message: &Message,
    now: Duration,
    to: &[Destination<'_>],
) -> Draft {
    let queue = |to: &Destination<'_>| rules.queues.get(to.queue).copied();
    let wanted_by: Arc<[CursorId]> = to.iter().filter_map(queue).collect();
    let lives: Vec<Life> =
        to.iter().filter_map(|to| Some(Life { queue: queue(to)?.number(), lasts: to.lasts? })).collect();
    // A slice of what was read would keep the whole block while it waits.
    let payload = message.body.clone();
    let headers = letterhead.stamp(message, now, &lives);
    Draft { wanted_by, headers, payload, ..Draft::default() }
}
