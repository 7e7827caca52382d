//! Commands from applications.

use std::sync::Arc;
use std::time::Duration;

use skerry_amqp::address::recipients;
use skerry_amqp::message::{Sections, from_wire};
use skerry_amqp::performative::Outcome;
use skerry_front::device::Soon;
use skerry_front::link::{LinkEnd, Target};
use skerry_model::ErrorCode;

use super::Shared;
use super::fault::Refusal;
use super::figures::count;
use super::turns::Turns;

struct CommandsTarget {
    shared: Arc<Shared>,
    turns: Turns,
}

impl Shared {
    pub(super) fn commands_target(self: &Arc<Self>) -> LinkEnd {
        LinkEnd::Target(Arc::new(CommandsTarget { shared: Arc::clone(self), turns: Turns::default() }))
    }

    /// Kept when it answers.
    async fn take_command(&self, sections: Sections) -> Result<(), Refusal> {
        let lives_ms = sections.header.as_ref().and_then(|header| header.ttl_ms);
        let argument = |text: String| Refusal::new(ErrorCode::ArgumentInvalid, text);
        let mut message = from_wire(sections).map_err(|error| argument(error.to_string()))?;
        let to = message.system.to.clone().unwrap_or_default();
        let recipients = recipients(&to);
        if recipients.is_empty() {
            let to: String = to.chars().take(200).collect();
            let text =
                format!("nobody can be reached at {to:?}, send to /devices/{{id}}/messages/devicebound");
            return Err(argument(text));
        }
        if let (None, Some(lives_ms)) = (message.system.expiry, lives_ms) {
            message.system.expiry = Some(self.clock.now().plus(Duration::from_millis(lives_ms.into())));
        }
        self.commands.send_to_one_of(&recipients, message).await?;
        Ok(())
    }
}

impl Target for CommandsTarget {
    fn take(&self, message: Sections) -> Soon<Outcome> {
        let shared = Arc::clone(&self.shared);
        let mut turn = self.turns.join(message.properties.to.as_text().unwrap_or_default());
        Box::pin(async move {
            turn.come().await;
            match shared.take_command(message).await {
                Ok(()) => {
                    count(&shared.counters.commands_taken, 1);
                    Outcome::Accepted
                }
                Err(refusal) => {
                    count(&shared.counters.commands_refused, 1);
                    Outcome::rejected(shared.hub_fault(refusal))
                }
            }
        })
    }
}
