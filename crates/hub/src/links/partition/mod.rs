//! Events of one partition for one reader.
//!
//! Names are looked at first, then where to begin, then whether there is room at the partition; from
//! then on the reader follows the log by itself. Where it is, it alone knows: nothing is kept of it.

mod reader;
mod readers;
mod render;

use std::sync::Arc;

use skerry_amqp::codec::Value;
use skerry_amqp::performative::Attach;
use skerry_amqp::selector::{Begin, begin};
use skerry_front::link::LinkEnd;
use skerry_model::ErrorCode;
use skerry_store::log::{From, Partition, ReadError, Sequence};

use super::Shared;
use super::fault::{BUSY, OUT_OF_RANGE, Refusal};
use super::figures::count;
use reader::PartitionReader;
pub(super) use readers::Readers;
use readers::{Asked, Place};

const EPOCH: &str = "com.microsoft:epoch";
const NAME: &str = "com.microsoft:receiver-name";
const METRIC: &str = "com.microsoft:enable-receiver-runtime-metric";
/// Characters of a reader's name that others are told.
const NAME_CHARS_MAX: usize = 64;

impl Shared {
    pub(super) async fn partition_source(
        self: &Arc<Self>,
        entity: &str,
        group: &str,
        partition: &str,
        attach: &Attach,
    ) -> Result<LinkEnd, Refusal> {
        self.check_entity(entity)?;
        let partition = self.partition(partition)?;
        let group =
            self.groups.get(group).await.map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        let filter = attach.source.as_ref().map_or(&Value::Null, |source| &source.filter);
        let begin =
            begin(filter).map_err(|error| Refusal::new(ErrorCode::ArgumentInvalid, error.to_string()))?;
        self.check_begin(partition, begin).await?;
        let name: String =
            attach.property(NAME).unwrap_or(&attach.name).chars().take(NAME_CHARS_MAX).collect();
        let asked = Asked { epoch: epoch(attach)?, name };
        let seated = self.readers.sit((group.name.key(), partition.number()), asked, |refusal| {
            count(&self.counters.epochs_stolen, 1);
            self.events_fault(refusal)
        });
        let place = seated.inspect_err(|_| count(&self.counters.readers_refused, 1))?;
        // Whoever deletes a group puts out who sits then; who sits later sees that it is gone.
        if !self.groups.has(&group.name) {
            let text = format!("the consumer group {} was deleted", group.name);
            return Err(Refusal::new(ErrorCode::OperationNotFound, text));
        }
        let reader = self.telemetry.follow(partition, from(begin));
        let has_metric = attach.desired.iter().any(|wanted| wanted.as_str() == METRIC);
        Ok(LinkEnd::Source(Box::new(PartitionReader::new(
            Arc::clone(self),
            place,
            reader,
            partition,
            has_metric,
        ))))
    }

    /// There is one, with the hub's name.
    pub(super) fn check_entity(&self, entity: &str) -> Result<(), Refusal> {
        if entity.eq_ignore_ascii_case(&self.hub_name) {
            return Ok(());
        }
        let entity: String = entity.chars().take(100).collect();
        let text = format!("there is no event hub {entity:?} here, its name is {}", self.hub_name);
        Err(Refusal::new(ErrorCode::OperationNotFound, text))
    }

    pub(super) fn partition(&self, text: &str) -> Result<Partition, Refusal> {
        let partitions = self.telemetry.partitions();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|number| is_number && *number < partitions);
        number.map(Partition::new).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            let text = format!("there is no partition {text:?}, they are 0 to {}", partitions - 1);
            Refusal::with(OUT_OF_RANGE, ErrorCode::ArgumentInvalid, text)
        })
    }

    /// Whoever waits for a place that is far ahead waits for the wrong events, and for long: the log
    /// is not the one that its checkpoints are of.
    async fn check_begin(&self, partition: Partition, begin: Begin) -> Result<(), Refusal> {
        let Begin::Sequence(first) = begin else { return Ok(()) };
        let next = self.telemetry.extent(partition).await.map_err(|error| unreadable(&error))?.next.number();
        if first <= next {
            return Ok(());
        }
        let text = format!(
            "the partition {} has no event {first}, its next one will be {next}; begin with an earlier one",
            partition.number()
        );
        Err(Refusal::with(OUT_OF_RANGE, ErrorCode::ArgumentInvalid, text))
    }
}

fn from(begin: Begin) -> From {
    match begin {
        Begin::Oldest => From::Oldest,
        Begin::Newest => From::Newest,
        Begin::Sequence(first) => From::Sequence(Sequence::from_number(first)),
        Begin::Time { at, is_inclusive: true } => From::Time(at),
        // Times on the wire are of milliseconds: what happened in this one is not after it.
        Begin::Time { at, is_inclusive: false } => From::Time(at.plus(std::time::Duration::from_millis(1))),
    }
}

fn epoch(attach: &Attach) -> Result<Option<i64>, Refusal> {
    match attach.properties.get(EPOCH) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_integer().filter(|epoch| *epoch >= 0).map(Some).ok_or_else(|| {
            Refusal::new(ErrorCode::ArgumentInvalid, format!("{EPOCH} must be a whole number from 0 on"))
        }),
    }
}

pub(super) fn unreadable(error: &ReadError) -> Refusal {
    match error {
        ReadError::Busy(_) | ReadError::Closed => {
            Refusal::with(BUSY, ErrorCode::ServiceUnavailable, error.to_string())
        }
        ReadError::Broken(_) | ReadError::Misuse(_) => {
            Refusal::new(ErrorCode::ServerError, error.to_string())
        }
    }
}
