//! One reader: a page of the log in hand at most, and nothing while it waits.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use skerry_amqp::performative::{Fault, Outcome};
use skerry_front::device::Soon;
use skerry_front::link::{Item, Source};
use skerry_store::log::{Extent, Page, Partition, ReadError, Record};

use super::super::Shared;
use super::super::figures::count;
use super::render::render;
use super::{Place, unreadable};
use crate::telemetry::Reader;

pub(super) struct PartitionReader {
    shared: Arc<Shared>,
    place: Place,
    partition: Partition,
    /// What the next page is waited for with.
    next: Pin<Box<dyn Future<Output = Turned> + Send>>,
    /// What was read and not given yet, and what the partition held then.
    page: std::vec::IntoIter<Record>,
    extent: Option<Extent>,
    has_metric: bool,
}

/// A page, and its reader for the one behind it.
struct Turned {
    page: Result<(Page, Option<Extent>), ReadError>,
    reader: Reader,
}

async fn turn(mut reader: Reader, has_metric: bool) -> Turned {
    let read = async {
        let page = reader.next().await?;
        let extent = if has_metric { Some(reader.extent().await?) } else { None };
        Ok((page, extent))
    };
    let page = read.await;
    Turned { page, reader }
}

impl PartitionReader {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Place,
        reader: Reader,
        partition: Partition,
        has_metric: bool,
    ) -> Self {
        let (page, extent) = (Vec::new().into_iter(), None);
        Self { shared, place, partition, next: Box::pin(turn(reader, has_metric)), page, extent, has_metric }
    }

    /// What is in hand, as far as the credit goes.
    fn give(&mut self, credit: u32) -> Vec<Item> {
        let now = self.shared.clock.now();
        let mut items = Vec::with_capacity(self.page.len().min(credit as usize));
        while items.len() < credit as usize
            && let Some(record) = self.page.next()
        {
            let metric = self.extent.map(|extent| (extent, now));
            match render(&record, metric) {
                Ok(payload) => {
                    items.push(Item { key: record.sequence.number().into(), tag: None, payload });
                }
                Err(error) => tracing::warn!(
                    partition = self.partition.number(),
                    sequence = record.sequence.number(),
                    %error,
                    "A stored message is passed over."
                ),
            }
        }
        if self.page.len() == 0 {
            self.page = Vec::new().into_iter();
        }
        count(&self.shared.counters.events_delivered, items.len());
        items
    }
}

impl Source for PartitionReader {
    fn poll_next(&mut self, context: &mut Context<'_>, credit: u32) -> Poll<Result<Vec<Item>, Fault>> {
        if let Poll::Ready(fault) = self.place.poll_out(context) {
            return Poll::Ready(Err(fault));
        }
        if credit == 0 {
            return Poll::Pending;
        }
        loop {
            let items = self.give(credit);
            if !items.is_empty() {
                return Poll::Ready(Ok(items));
            }
            let Turned { page, reader } = std::task::ready!(self.next.as_mut().poll(context));
            self.next = Box::pin(turn(reader, self.has_metric));
            match page {
                Ok((page, extent)) => {
                    count(&self.shared.counters.events_lost, page.lost.len());
                    (self.page, self.extent) = (page.records.into_iter(), extent);
                }
                Err(error) => return Poll::Ready(Err(self.shared.events_fault(unreadable(&error)))),
            }
        }
    }

    /// Readers keep their place themselves.
    fn settle(&mut self, _: u128, outcome: Outcome) -> Soon<Outcome> {
        Box::pin(ready(outcome))
    }

    fn is_settled(&self) -> bool {
        true
    }
}
