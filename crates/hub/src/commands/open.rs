//! Reading queues from the documents: all of them once, when the first is needed, to know what
//! waits where; and one of them whenever it is used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use skerry_model::message::Ack;
use skerry_model::{IdentityId, Timestamp};
use skerry_store::documents::{Document, Page, Position, Scan};

use super::Shared;
use super::name::{Named, is_newer, prefix, read_key};
use super::queue::{Queue, Summary};
use super::stored::Slip;
use crate::registry::RegistryError;
use crate::spaces::{COMMANDS, FEEDBACK};

/// Documents read at once; a command may have 64 KiB.
const PAGE: usize = 128;

impl Shared {
    /// Knows how much waits, for whom, and until when. Does nothing the second time.
    pub(super) async fn open(&self) -> Result<(), RegistryError> {
        self.opened.get_or_try_init(|| self.look_at_everything()).await.map(drop)
    }

    async fn look_at_everything(&self) -> Result<(), RegistryError> {
        let documents = self.registry.documents();
        let at_least = Some(documents.latest().await?);
        let mut found: HashMap<IdentityId, (String, Summary)> = HashMap::new();
        let mut after = None;
        loop {
            let scan = Scan { after, at_least, limit: PAGE, ..Scan::all(COMMANDS) };
            let Page { documents: page, next, .. } = documents.scan(scan).await?;
            for document in &page {
                // A queue's head is no command.
                let Some(named) = read_key(&document.key) else { continue };
                let Named { identity, generation, .. } = named;
                let slip = slip(document);
                let one = Summary { count: 1, expires: slip.expires };
                match found.get_mut(&identity) {
                    Some((known, summary)) if *known == generation => {
                        summary.count += 1;
                        summary.expires = summary.expires.min(slip.expires);
                    }
                    Some((known, _)) if is_newer(known, &generation) => {}
                    _ => drop(found.insert(identity, (generation, one))),
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        for (identity, (generation, summary)) in found {
            let queue = self.queues.get(&identity);
            queue.summarise(generation, summary);
            self.tell(&queue);
        }
        self.look_at_feedback().await
    }

    async fn look_at_feedback(&self) -> Result<(), RegistryError> {
        let documents = self.registry.documents();
        let at_least = Some(documents.latest().await?);
        let mut after = None;
        loop {
            let scan = Scan { after, at_least, ..Scan::all(FEEDBACK) };
            let Page { documents: page, next, .. } = documents.scan(scan).await?;
            for document in &page {
                self.feedback.find(document);
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads one queue if that has to be. Whoever calls has the turn.
    pub(super) async fn load(&self, queue: &Arc<Queue>) -> Result<(), RegistryError> {
        if queue.is_loaded() {
            return Ok(());
        }
        let documents = self.registry.documents();
        let prefix = prefix(&queue.identity, &queue.generation());
        let group = queue.identity.device.to_string();
        // Not before a change of ours, whatever became of it.
        let at_least = Some(documents.latest().await?);
        let mut slips = BTreeMap::new();
        let mut after = Some(Position { group: group.clone(), name: prefix.clone() });
        while after.is_some() {
            let scan =
                Scan { group: Some(group.clone()), after, at_least, limit: PAGE, ..Scan::all(COMMANDS) };
            let page = documents.scan(scan).await?;
            after = page.next;
            for document in &page.documents {
                if !document.key.name.starts_with(&prefix) {
                    after = None;
                    break;
                }
                if let Some(named) = read_key(&document.key) {
                    slips.insert(named.sequence, slip(document));
                }
            }
        }
        queue.load(slips);
        self.tell(queue);
        Ok(())
    }
}

/// One that cannot be read counts as expired, so that it goes and nothing waits behind it.
fn slip(document: &Document) -> Slip {
    Slip::read(document).unwrap_or_else(|error| {
        tracing::error!(%error, "A command is dropped.");
        let (enqueued, expires) = (Timestamp::NEVER, Timestamp::NEVER);
        Slip { message_id: String::new(), ack: Ack::None, enqueued, expires, deliveries: 0 }
    })
}
