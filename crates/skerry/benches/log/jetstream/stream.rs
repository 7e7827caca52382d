//! A stream with a subject for each partition: publishing with many answers under way, and reading
//! back by a pull consumer.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::Server;
use super::wire::{Message, Wire};
use crate::case::{Case, Payloads, Shape, Supply};
use crate::disk::{self, Device};
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::pace::Pace;
use crate::taken::Taken;

const NAME: &str = "LOG";
/// Answers come to this and the number of their slot.
const INBOX: &str = "_INBOX.bench";
/// Records asked for at once when reading.
const PAGE: u64 = 4000;

pub(crate) struct Stream {
    wire: Wire,
    device: Device,
}

/// Who waits for which answer.
struct Slots {
    sent: Vec<(Instant, u64)>,
    free: Vec<usize>,
    waits: Vec<Duration>,
    records: u64,
}

impl Slots {
    fn new(count: usize) -> Self {
        Self { sent: vec![(now(), 0); count], free: (0..count).rev().collect(), waits: vec![], records: 0 }
    }

    fn under_way(&self) -> usize {
        self.sent.len() - self.free.len()
    }

    /// The records of the slot were answered.
    fn answered(&mut self, message: &Message) -> Result<(), Trouble> {
        // Whoever opens a batch is answered with nothing when that went well.
        if message.body.is_empty() && !message.is_status {
            return Ok(());
        }
        if !message.body.starts_with(b"{\"stream\"") {
            return Err(format!("JetStream: {}", String::from_utf8_lossy(&message.body)).into());
        }
        let slot = message.subject.rsplit(|byte| *byte == b'.').next();
        let slot = slot.and_then(|slot| std::str::from_utf8(slot).ok()?.parse::<usize>().ok());
        let slot = slot.ok_or("JetStream answered somebody else")?;
        let (sent, records) = *self.sent.get(slot).ok_or("JetStream answered nobody")?;
        self.waits.push(now() - sent);
        self.records += records;
        self.free.push(slot);
        Ok(())
    }
}

impl Stream {
    /// A new stream, in place of what there was.
    pub(crate) async fn create(server: &Server) -> Result<Self, Trouble> {
        let mut wire = server.connect().await?;
        // There may be none.
        drop(wire.ask(&format!("$JS.API.STREAM.DELETE.{NAME}"), &json!({})).await);
        let settings = json!({
            "name": NAME, "subjects": ["log.*"], "storage": "file", "retention": "limits", "num_replicas": 1,
            "allow_atomic": true,
        });
        let made = wire.ask(&format!("$JS.API.STREAM.CREATE.{NAME}"), &settings).await?;
        if made["config"]["allow_atomic"] != true {
            return Err("this nats-server cannot publish batches: take 2.12 or newer".into());
        }
        wire.subscribe(&format!("{INBOX}.*"), 1);
        Ok(Self { wire, device: Device::of(server.folder()) })
    }

    /// Publishes until the supply is used up: records one by one, or atomic batches.
    pub(crate) async fn saturate(
        &mut self,
        server: &Server,
        case: Case,
        supply: &Supply,
    ) -> Result<Taken, Trouble> {
        let before = (processor_time(), server.processor_time(), self.device.written());
        let publisher = Publisher::new(case);
        let mut slots = Slots::new(case.shape.tasks());
        let began = now();
        let mut more = true;
        while more || slots.under_way() > 0 {
            while let Some(slot) = slots.free.pop_if(|_| more) {
                match supply.take(case.shape.records()) {
                    Some(numbers) => {
                        slots.sent[slot] = (now(), numbers.end - numbers.start);
                        publisher.publish(&mut self.wire, slot, numbers);
                    }
                    None => {
                        more = false;
                        slots.free.push(slot);
                    }
                }
            }
            self.wire.flush().await?;
            self.answers(&mut slots).await?;
        }
        Ok(self.taken(server, case, began, slots, before))
    }

    /// One record a message, `rate` of them a second.
    pub(crate) async fn paced(
        &mut self,
        server: &Server,
        case: Case,
        rate: u64,
        span: Duration,
    ) -> Result<Taken, Trouble> {
        let before = (processor_time(), server.processor_time(), self.device.written());
        let publisher = Publisher::new(case);
        // Half a second behind is behind for good.
        let mut slots = Slots::new(rate as usize / 2);
        let mut ticks = interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (began, mut pace) = (now(), Pace::new(rate));
        loop {
            let is_over = now() - began >= span;
            if is_over && slots.under_way() == 0 {
                break;
            }
            tokio::select! {
                _ = ticks.tick(), if !is_over => {
                    for number in pace.due() {
                        let slot = slots.free.pop().ok_or("JetStream is too far behind the pace")?;
                        slots.sent[slot] = (now(), 1);
                        publisher.publish(&mut self.wire, slot, number..number + 1);
                    }
                    self.wire.flush().await?;
                }
                arrived = self.wire.more() => {
                    arrived?;
                    while let Some(message) = self.wire.next()? {
                        slots.answered(&message)?;
                    }
                }
            }
        }
        // More lies on the disk than was sent at the pace.
        Ok(Taken { on_disk: None, ..self.taken(server, case, began, slots, before) })
    }

    /// Waits for one answer and takes all that are there.
    async fn answers(&mut self, slots: &mut Slots) -> Result<(), Trouble> {
        if slots.under_way() == 0 {
            return Ok(());
        }
        self.wire.more().await?;
        while let Some(message) = self.wire.next()? {
            slots.answered(&message)?;
        }
        Ok(())
    }

    fn taken(
        &self,
        server: &Server,
        case: Case,
        began: Instant,
        slots: Slots,
        (client, served, written): (Option<Duration>, Option<Duration>, Option<u64>),
    ) -> Taken {
        let measure = Measure::whole(now() - began, vec![slots.waits]);
        let measure = measure.with_processor(client);
        let served = served.zip(server.processor_time()).map(|(before, after)| after.saturating_sub(before));
        Taken {
            records: slots.records,
            payload: slots.records * case.size as u64,
            waits: measure.with_writes(&self.device, written),
            served,
            on_disk: Some(disk::size(server.folder())),
            ..Taken::default()
        }
    }

    /// Reads `records`, all there are, with the next page always asked for.
    pub(crate) async fn read(&mut self, server: &Server, records: u64) -> Result<Taken, Trouble> {
        let before = (processor_time(), server.processor_time());
        let question = json!({
            "stream_name": NAME,
            "config": {"name": "reader", "ack_policy": "none", "deliver_policy": "all", "mem_storage": true},
        });
        self.wire.ask(&format!("$JS.API.CONSUMER.CREATE.{NAME}.reader"), &question).await?;
        let began = now();
        let (mut asked, mut read, mut payload) = (0, 0, 0);
        while read < records {
            while asked < records && asked - read < 2 * PAGE {
                let page = PAGE.min(records - asked);
                let question = json!({"batch": page}).to_string();
                let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{NAME}.reader");
                self.wire.publish(&subject, &format!("{INBOX}.0"), question.as_bytes());
                asked += page;
            }
            self.wire.flush().await?;
            self.wire.more().await?;
            while let Some(message) = self.wire.next()? {
                if message.is_status {
                    return Err("JetStream ended a page early".into());
                }
                (read, payload) = (read + 1, payload + message.body.len() as u64);
                std::hint::black_box(&message.body);
            }
        }
        let measure = Measure::whole(now() - began, Vec::new());
        let waits = measure.with_processor(before.0);
        let served =
            before.1.zip(server.processor_time()).map(|(before, after)| after.saturating_sub(before));
        Ok(Taken { records, payload, waits, served, ..Taken::default() })
    }
}

/// Writes records as messages.
struct Publisher {
    case: Case,
    payloads: Payloads,
    subjects: Vec<String>,
    replies: Vec<String>,
}

impl Publisher {
    fn new(case: Case) -> Self {
        let subjects = (0..case.partitions).map(|number| format!("log.{number}")).collect();
        let replies = (0..1 << 16).map(|slot| format!("{INBOX}.{slot}")).collect();
        Self { case, payloads: Payloads::new(case.size), subjects, replies }
    }

    fn publish(&self, wire: &mut Wire, slot: usize, numbers: std::ops::Range<u64>) {
        let subject = |number| self.subjects[self.case.partition(number) as usize].as_str();
        let reply = self.replies[slot].as_str();
        if let Shape::Singles { .. } = self.case.shape {
            for number in numbers {
                wire.publish(subject(number), reply, &self.payloads.of(number));
            }
            return;
        }
        // Answered once, at the end; what goes wrong before is told there too.
        let batch = numbers.start;
        for (number, sequence) in numbers.clone().zip(1..) {
            let is_last = number + 1 == numbers.end;
            let commit = if is_last { "Nats-Batch-Commit: 1\r\n" } else { "" };
            let headers = format!("Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {sequence}\r\n{commit}");
            let reply = if is_last { reply } else { "" };
            wire.publish_with(subject(number), reply, &headers, &self.payloads.of(number));
        }
    }
}
