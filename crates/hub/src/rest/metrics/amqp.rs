//! What AMQP connections count.

use skerry_front::{Figure, Figures};

use super::{
    Kind::{Counter, Gauge},
    Row,
};

pub(super) fn figures(front: &Figures) -> [Row; 18] {
    let of = Figure::get;
    let row = |name, kind, help, figure| (name, kind, help, of(figure));
    [
        row("amqp_open", Gauge, "AMQP connections that are open", &front.amqp_open),
        row("amqp_links_accepted", Counter, "AMQP links that clients got", &front.amqp_links_accepted),
        row("amqp_links_refused", Counter, "AMQP links that were refused", &front.amqp_links_refused),
        row(
            "amqp_identities_accepted",
            Counter,
            "Devices and modules let in over AMQP",
            &front.amqp_identities_accepted,
        ),
        row(
            "amqp_identities_refused",
            Counter,
            "Devices and modules refused over AMQP",
            &front.amqp_identities_refused,
        ),
        row(
            "amqp_identities_told_to_go",
            Counter,
            "Devices and modules whose AMQP links the hub ended",
            &front.amqp_identities_told_to_go,
        ),
        row(
            "amqp_tokens_refused",
            Counter,
            "Tokens shown over AMQP that do not count",
            &front.amqp_tokens_refused,
        ),
        row("amqp_messages", Counter, "Messages from devices over AMQP", &front.amqp_messages),
        row(
            "amqp_messages_refused",
            Counter,
            "Transfers of devices over AMQP that were not kept",
            &front.amqp_messages_refused,
        ),
        row("amqp_deliveries", Counter, "Commands sent over AMQP", &front.amqp_deliveries),
        row(
            "amqp_events",
            Counter,
            "Messages sent to those who read events, feedback and notices",
            &front.amqp_events,
        ),
        row(
            "amqp_waits_for_room",
            Counter,
            "Times that an AMQP connection was not read for want of room",
            &front.amqp_waits_for_room,
        ),
        row("amqp_left", Counter, "AMQP connections ended by their clients", &front.amqp_left),
        row(
            "amqp_broken",
            Counter,
            "AMQP connections closed because the client broke the rules",
            &front.amqp_broken,
        ),
        row(
            "amqp_writes_stalled",
            Counter,
            "AMQP connections closed because the client did not read",
            &front.amqp_writes_stalled,
        ),
        row(
            "amqp_silent",
            Counter,
            "AMQP connections closed because the client said nothing",
            &front.amqp_silent,
        ),
        row(
            "amqp_unproven",
            Counter,
            "AMQP connections closed because nothing was shown that counts",
            &front.amqp_unproven,
        ),
        row("amqp_told_to_go", Counter, "AMQP connections closed by the hub", &front.amqp_told_to_go),
    ]
}
