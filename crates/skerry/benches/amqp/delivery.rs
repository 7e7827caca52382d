//! What was kept, to one consumer as fast as it takes it.

use std::time::{Duration, Instant};

use skerry_uplink::amqp::{Client, Event, LinkId, Outcome};
use tokio::time::timeout;

use crate::fill::fill;
use crate::meter::{Trouble, now};
use crate::numbers::Unit;
use crate::options::{Name, Options};
use crate::report::Report;
use crate::server::Server;
use crate::span::Span;

pub(crate) const NAMES: [Name; 3] = [Name::Skerry, Name::Independent, Name::Rabbitmq];
pub(crate) const CREDITS: [u32; 2] = [300, 1000];
/// What takes longer is the end of what there is.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Before anything is counted.
const WARM_UP_EVENTS: usize = 1000;

pub(crate) async fn run(
    server: &Server,
    name: Name,
    credit: u32,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    if !server.makes_up_events() {
        fill(server, options.events).await?;
    }
    let client = server.reader().await?;
    // A queue that was read is empty, what is made up has no end, and a partition is as it was.
    let events = if server.keeps_what_is_read() { options.events } else { usize::MAX };
    let mut consumer = Consumer { client, server, credit, events, link: None, read: 0, count: 0 };
    consumer.take(WARM_UP_EVENTS, now() + Duration::from_secs(60)).await?;
    let (counting, before, end) = (Span::begin(&server.tree), consumer.count, now() + options.span());
    consumer.take(usize::MAX, end).await?;
    let (spent, count) = (counting.end(&server.tree), consumer.count - before);
    let row = |what: &str| format!("256 B, TLS, one consumer with credit {credit}: {what}");
    let rate = row("delivered");
    report.row(&rate, Unit::PerSecond);
    report.number(&rate, name.title(), spent.rate(count), spent.note(count));
    let computed = row("per second that the server computes");
    report.row(&computed, Unit::PerSecond);
    report.number(&computed, name.title(), spent.rate_computed(count), String::new());
    Ok(())
}

struct Consumer<'a> {
    client: Client<()>,
    server: &'a Server,
    credit: u32,
    /// What there is to read before it begins anew.
    events: usize,
    link: Option<LinkId>,
    /// On this link.
    read: usize,
    count: usize,
}

impl Consumer<'_> {
    /// So many more, or until the end. Whoever has read a partition to its end begins anew.
    async fn take(&mut self, more: usize, end: Instant) -> Result<(), Trouble> {
        let enough = self.count.saturating_add(more);
        while self.count < enough && now() < end {
            let link = match self.link {
                Some(link) => link,
                None => {
                    let offer = self.server.consumer(self.credit);
                    *self.link.insert(self.client.attach(offer).ok_or("there is no room for a link")?)
                }
            };
            // Nothing more: that was all of it.
            let Ok(event) = timeout(PAUSE_MAX, self.client.event()).await else { return Ok(()) };
            self.note(link, event?)?;
            while let Some(event) = self.client.ready_event()? {
                self.note(link, event)?;
            }
            if self.read >= self.events {
                self.client.detach(link);
                (self.link, self.read) = (None, 0);
            }
        }
        Ok(())
    }

    fn note(&mut self, link: LinkId, event: Event<()>) -> Result<(), Trouble> {
        match event {
            Event::Delivery { link: of, delivery } => {
                self.client.settle(of, &delivery, Outcome::Accepted);
                self.count += 1;
                self.read += 1;
            }
            Event::Detached { link: gone, fault, .. } if gone == link => {
                return Err(format!("the server ends the link: {fault:?}").into());
            }
            _ => {}
        }
        Ok(())
    }
}
