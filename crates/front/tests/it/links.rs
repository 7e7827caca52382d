//! A link service that does what a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::codec::Value;
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::{Fault, Outcome, Role, condition};
use skerry_front::device::Soon;
use skerry_front::link::{
    Item, LinkEnd, LinkService, NotShown, Opened, Requests, Shown, Source, SpeaksFor, Target, Wanted,
};

/// Tokens count that begin with `good`, `disabled` ones as well (devices do not come in by them), and `short` ones for a moment. Those for `…/devices/D` speak
/// for D, others for everybody. Its clones are the same.
#[derive(Clone, Default)]
pub struct TestLinks(pub Arc<LinkState>);

#[derive(Default)]
pub struct LinkState {
    pub wanted: Mutex<Vec<Wanted>>,
    /// While true nothing is decided about links.
    pub is_slow: tokio::sync::watch::Sender<bool>,
    pub taken: Mutex<Vec<Sections>>,
    pub settled: Mutex<Vec<(u128, Outcome)>>,
    /// What sources give, and whether they want to know what became of it.
    queue: Mutex<(VecDeque<Item>, Option<Waker>)>,
    pub wants_outcomes: Mutex<bool>,
    /// The most that was asked for at once.
    pub credit_max: Mutex<u32>,
    pub sources_gone: Mutex<usize>,
}

/// A short token counts for so long.
pub const SHORT: Duration = Duration::from_millis(400);

impl LinkState {
    pub fn give(&self, items: impl IntoIterator<Item = Item>) {
        let mut queue = self.queue.lock().unwrap();
        queue.0.extend(items);
        if let Some(waker) = queue.1.take() {
            waker.wake();
        }
    }
}

impl LinkService for TestLinks {
    fn show(&self, audience: &str, token: &str) -> Soon<Result<Shown, NotShown>> {
        let speaks_for = match audience.rsplit_once("/devices/") {
            Some((_, path)) => {
                let (device, module) = match path.split_once("/modules/") {
                    Some((device, module)) => (device, Some(module)),
                    None => (path, None),
                };
                SpeaksFor::Identity(skerry_model::IdentityId {
                    device: device.parse().unwrap(),
                    module: module.map(|module| module.parse().unwrap()),
                })
            }
            None => SpeaksFor::Policy,
        };
        let lasts = match token {
            token if token.starts_with("good") || token == "disabled" => Ok(Duration::from_secs(3600)),
            token if token.starts_with("short") => Ok(SHORT),
            _ => Err(NotShown { status: 401, what: "not good".into() }),
        };
        Box::pin(async move { lasts.map(|lasts| Shown { speaks_for, lasts }) })
    }

    fn log_in(&self, name: &str, password: &str) -> Soon<Result<Shown, NotShown>> {
        assert_eq!(name, "me");
        self.show("hub", password)
    }

    fn open(&self, wanted: Wanted) -> Soon<Result<Opened, Fault>> {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            state.wanted.lock().unwrap().push(wanted.clone());
            state.is_slow.subscribe().wait_for(|slow| !slow).await.unwrap();
            if wanted.tokens.is_empty() {
                let note = (Value::symbol("com.microsoft:tracking-id"), Value::string("t"));
                let fault = Fault::new(condition::UNAUTHORIZED_ACCESS, "show a token");
                return Err(Fault { info: Value::Map(vec![note]), ..fault });
            }
            let end = match (wanted.node, wanted.attach.role) {
                (Node::Partition { .. } | Node::Feedback, Role::Receiver) => {
                    LinkEnd::Source(Box::new(TestSource(state)))
                }
                (Node::Commands, Role::Sender) => LinkEnd::Target(Arc::new(TestTarget(state))),
                (Node::Management { .. }, Role::Sender) => LinkEnd::Requests(Arc::new(Echo)),
                (Node::Management { .. }, Role::Receiver) => LinkEnd::Answers,
                _ => return Err(Fault::new(condition::NOT_FOUND, "nothing is here")),
            };
            Ok(Opened { end, token: 0 })
        })
    }
}

struct TestSource(Arc<LinkState>);

impl Source for TestSource {
    fn poll_next(&mut self, context: &mut Context<'_>, credit: u32) -> Poll<Result<Vec<Item>, Fault>> {
        if credit == 0 {
            return Poll::Pending;
        }
        {
            let mut most = self.0.credit_max.lock().unwrap();
            *most = credit.max(*most);
        }
        let mut queue = self.0.queue.lock().unwrap();
        if queue.0.is_empty() {
            queue.1 = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = queue.0.len().min(credit as usize);
        Poll::Ready(Ok(queue.0.drain(..count).collect()))
    }

    fn settle(&mut self, key: u128, outcome: Outcome) -> Soon<Outcome> {
        self.0.settled.lock().unwrap().push((key, outcome.clone()));
        Box::pin(async { outcome })
    }

    fn is_settled(&self) -> bool {
        !*self.0.wants_outcomes.lock().unwrap()
    }
}

impl Drop for TestSource {
    fn drop(&mut self) {
        *self.0.sources_gone.lock().unwrap() += 1;
    }
}

struct TestTarget(Arc<LinkState>);

impl Target for TestTarget {
    fn take(&self, message: Sections) -> Soon<Outcome> {
        let is_poison = message.body_bytes().unwrap() == "poison"[..];
        self.0.taken.lock().unwrap().push(message);
        Box::pin(async move {
            match is_poison {
                true => Outcome::rejected(Fault::new(condition::NOT_FOUND, "no such device")),
                false => Outcome::Accepted,
            }
        })
    }
}

/// Gives the body back.
struct Echo;

impl Requests for Echo {
    fn ask(&self, request: Sections) -> Soon<Bytes> {
        Box::pin(async move {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            let correlation_id = request.properties.message_id.clone();
            writer.properties(&Properties { correlation_id, ..Properties::default() });
            writer.data(&request.body_bytes().unwrap());
            out.into()
        })
    }
}
