//! Links that are not a device's own: applications send commands, hear what became of them, are told
//! of files, and read events, over AMQP.
//!
//! ```text
//!  show, log_in ──► who it is          tokens are shown again where a link is opened: what was
//!  open ──► rights ──► Commands         good once may be void by then
//!                      Feedback, FileNotices        under locks, as over HTTP
//!                      Partition                    follows the log
//!                      Requests, Answers            what there is to read
//!                      redirect                     where events were before
//! ```
//!
//! Every one of them needs ServiceConnect; of requests each is looked at by itself. What is held for a client is given back when it is gone:
//! its messages are others' then, and its places at a partition too.

mod commands;
mod elsewhere;
mod fault;
mod feedback;
mod figures;
mod held;
mod management;
mod notices;
mod partition;
mod rights;
mod show;
mod turns;

use std::sync::Arc;

use skerry_amqp::address::Node;
use skerry_amqp::performative::{Fault, Role};
use skerry_front::device::Soon;
use skerry_front::link::{LinkService, NotShown, Opened, Shown, Wanted};
use skerry_model::{Clock, ErrorCode, Random};

use crate::access::Authorizer;
use crate::commands::Commands;
use crate::files::Files;
use crate::groups::{GroupName, Groups};
use crate::telemetry::Telemetry;
use fault::Refusal;
use figures::Counters;
pub use figures::LinkFigures;
use partition::Readers;

pub struct LinksOptions {
    pub hub_name: String,
    pub authorizer: Arc<Authorizer>,
    pub commands: Commands,
    /// `None` where devices cannot upload files.
    pub files: Option<Files>,
    pub telemetry: Telemetry,
    pub groups: Groups,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The links of one hub. Clones are the same.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

struct Shared {
    hub_name: String,
    authorizer: Arc<Authorizer>,
    commands: Commands,
    files: Option<Files>,
    telemetry: Telemetry,
    groups: Groups,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    readers: Arc<Readers>,
    counters: Counters,
}

impl Links {
    pub fn new(options: LinksOptions) -> Self {
        let LinksOptions { hub_name, authorizer, commands, files, telemetry, groups, clock, random } =
            options;
        let (readers, counters) = (Arc::default(), Counters::default());
        let shared = Shared {
            hub_name,
            authorizer,
            commands,
            files,
            telemetry,
            groups,
            clock,
            random,
            readers,
            counters,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The group is gone: whoever reads in it is told so.
    pub fn end_group(&self, name: &GroupName) {
        let text = format!("the consumer group {name} was deleted");
        self.shared.readers.end_group(&name.key(), || {
            self.shared.events_fault(Refusal::new(ErrorCode::OperationNotFound, text.clone()))
        });
    }

    pub fn figures(&self) -> LinkFigures {
        self.shared.counters.read(self.shared.readers.len())
    }
}

impl LinkService for Links {
    fn show(&self, audience: &str, token: &str) -> Soon<Result<Shown, NotShown>> {
        let (shared, audience, token) = (Arc::clone(&self.shared), audience.to_owned(), token.to_owned());
        Box::pin(async move { shared.show(&audience, &token).await })
    }

    fn log_in(&self, name: &str, password: &str) -> Soon<Result<Shown, NotShown>> {
        let (shared, name, password) = (Arc::clone(&self.shared), name.to_owned(), password.to_owned());
        Box::pin(async move { shared.log_in(&name, &password).await })
    }

    fn open(&self, wanted: Wanted) -> Soon<Result<Opened, Fault>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open(wanted).await })
    }
}

impl Shared {
    async fn open(self: Arc<Self>, wanted: Wanted) -> Result<Opened, Fault> {
        let is_of_events = matches!(wanted.node, Node::Partition { .. } | Node::Management { .. });
        let in_words = |refusal: Refusal| match is_of_events {
            true => self.events_fault(refusal),
            false => self.hub_fault(refusal),
        };
        let token = match &wanted.node {
            Node::Management { .. } => self.recognise(&wanted.tokens),
            _ => self.allow(&wanted.tokens),
        };
        let token = token.map_err(|error| in_words(error.into()))?;
        let role = wanted.attach.role;
        let end = match &wanted.node {
            Node::Commands if role == Role::Sender => self.commands_target(),
            Node::Feedback if role == Role::Receiver => self.feedback_source(),
            Node::FileNotices if role == Role::Receiver => self.notices_source().map_err(&in_words)?,
            Node::Partition { entity, group, partition } if role == Role::Receiver => {
                let reader = self.partition_source(entity, group, partition, &wanted.attach).await;
                reader.map_err(&in_words)?
            }
            Node::Management { entity } => self.management(entity.as_deref(), &wanted).map_err(&in_words)?,
            Node::EventsElsewhere { rest } => return Err(self.redirect(&wanted.host, rest)),
            Node::Commands | Node::Feedback | Node::FileNotices | Node::Partition { .. } => {
                let way = if role == Role::Sender { "sends" } else { "receives" };
                let text = format!("nobody {way} here, attach the other way round");
                return Err(in_words(Refusal::new(ErrorCode::InvalidOperation, text)));
            }
            Node::Cbs | Node::Events(_) | Node::Devicebound(_) | Node::Methods(_) | Node::Twin(_) => {
                let text = "there is nothing for applications at this address";
                return Err(in_words(Refusal::new(ErrorCode::AmqpAddressNotFound, text)));
            }
        };
        Ok(Opened { end, token })
    }

    fn hub_fault(&self, refusal: Refusal) -> Fault {
        refusal.of_hub(self.random.as_ref(), self.clock.now())
    }

    fn events_fault(&self, refusal: Refusal) -> Fault {
        refusal.of_events(self.random.as_ref(), self.clock.now())
    }
}
