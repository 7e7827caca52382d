//! Connections to the scripted hub.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use skerry_edge_hub::{Carrier, DialError, Dialer, Dialing, Heard, Parcel, Wants};
use skerry_front::device::Settlement;
use skerry_model::IdentityId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::hub::{Acks, Hub};

impl Dialer for Hub {
    fn dial(&self, id: IdentityId, chain: Option<String>) -> Dialing {
        let (hub, id) = (self.clone(), id.to_string());
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let cuts = hub.cuts();
            let (line, pushed) = mpsc::unbounded_channel();
            let mut state = hub.state();
            *state.dials.entry(id.clone()).or_default() += 1;
            if state.is_away {
                return Err(DialError::Unreachable { why: "nobody is there".to_owned() });
            }
            if state.barred.contains(&id) {
                return Err(DialError::Refused { why: "not authorised".to_owned() });
            }
            assert_eq!(chain.is_none(), id == "edge/$edgeHub", "{id}");
            if let Some(chain) = chain {
                assert!(chain.ends_with("edge"), "{id}: {chain}");
                state.chains.insert(id.clone(), chain);
            }
            state.lines.insert(id.clone(), line);
            drop(state);
            let (pending, said) = (VecDeque::new(), VecDeque::new());
            let carrier = SimCarrier { hub, id, cuts, pushed, pending, said, has_commands: false };
            Ok(Box::new(carrier) as Box<dyn Carrier>)
        })
    }
}

struct SimCarrier {
    hub: Hub,
    id: String,
    cuts: watch::Receiver<u64>,
    pushed: mpsc::UnboundedReceiver<Heard>,
    pending: VecDeque<(Parcel, Instant)>,
    said: VecDeque<Heard>,
    /// What waited for the identity was given once on this connection.
    has_commands: bool,
}

impl Carrier for SimCarrier {
    fn has_room(&self) -> bool {
        self.pending.len() < self.hub.state().window
    }

    fn send(&mut self, parcel: Parcel) {
        let is_swallowed = {
            let state = self.hub.state();
            state.acks == Acks::Swallowed || state.deaf_to.contains(&self.id)
        };
        if !is_swallowed && !self.hub.take(&self.id, parcel.message()) {
            return parcel.refused("it is not to the hub's taste".to_owned());
        }
        self.pending.push_back((parcel, Instant::now()));
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn listen(&mut self, wants: Wants) {
        self.said.push_back(Heard::Listening);
        if wants.commands && !std::mem::replace(&mut self.has_commands, true) {
            self.said.extend(self.hub.commands(&self.id));
        }
    }

    fn ask_twin(&mut self, request: u64) {
        let reply = self.hub.twin(&self.id);
        self.said.push_back(Heard::Twin { request, reply });
    }

    fn report(&mut self, request: u64, patch: Bytes) {
        let reply = self.hub.report(&self.id, &patch);
        self.said.push_back(Heard::Twin { request, reply });
    }

    fn answer(&mut self, call: &str, status: i64, payload: Bytes) {
        self.hub.state().answers.insert(call.to_owned(), (status, payload));
    }

    fn settle(&mut self, command: u64, how: Settlement) -> bool {
        if matches!(how, Settlement::Complete | Settlement::Reject) {
            self.hub.is_settled(&self.id, command);
        }
        how != Settlement::GiveBack
    }

    fn renews(&self) -> bool {
        false
    }

    fn event(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard, String>> + Send + '_>> {
        Box::pin(async {
            let (acks, is_deaf) = {
                let state = self.hub.state();
                (state.acks, state.deaf_to.contains(&self.id))
            };
            if let Some(said) = self.said.pop_front() {
                return Ok(said);
            }
            let due = match (acks, self.pending.front()) {
                (Acks::After(pause), Some((_, sent))) if !is_deaf => Some(*sent + pause),
                _ => None,
            };
            tokio::select! {
                biased;
                _ = self.cuts.changed() => Err("the connection broke".to_owned()),
                Some(heard) = self.pushed.recv() => Ok(heard),
                () = at(due) => {
                    let (parcel, _) = self.pending.pop_front().unwrap();
                    parcel.delivered();
                    Ok(Heard::Nothing)
                }
            }
        })
    }

    fn close(self: Box<Self>) -> Vec<Parcel> {
        self.pending.into_iter().map(|(parcel, _)| parcel).collect()
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
