//! What links of applications count.

use super::{
    Kind::{Counter, Gauge},
    Row,
};
use crate::links::LinkFigures;

pub(super) fn figures(links: &LinkFigures) -> [Row; 13] {
    [
        ("link_readers_open", Gauge, "Readers of events over AMQP", links.readers_open),
        ("link_events_delivered", Counter, "Events given to readers over AMQP", links.events_delivered),
        (
            "link_events_lost",
            Counter,
            "Stretches of events that were gone when a reader came to them",
            links.events_lost,
        ),
        (
            "link_epochs_stolen",
            Counter,
            "Readers that had to go for one with another epoch",
            links.epochs_stolen,
        ),
        ("link_readers_refused", Counter, "Readers for whom there was no place", links.readers_refused),
        ("link_commands_taken", Counter, "Commands taken over AMQP", links.commands_taken),
        ("link_commands_refused", Counter, "Commands refused over AMQP", links.commands_refused),
        ("link_feedback_given", Counter, "Batches of feedback given over AMQP", links.feedback_given),
        ("link_feedback_settled", Counter, "Batches of feedback settled over AMQP", links.feedback_settled),
        ("link_notices_given", Counter, "Notices about files given over AMQP", links.notices_given),
        ("link_notices_settled", Counter, "Notices about files settled over AMQP", links.notices_settled),
        ("link_requests", Counter, "Questions about partitions over AMQP", links.requests),
        ("link_redirects", Counter, "Readers told where events are now", links.redirects),
    ]
}
