//! What MQTT sessions count.

use skerry_front::{Figure, Figures};

use super::{
    Kind::{Counter, Gauge},
    Row,
};

pub(super) fn figures(front: &Figures) -> [Row; 17] {
    let of = Figure::get;
    [
        ("mqtt_open", Gauge, "MQTT clients that are in", of(&front.mqtt_open)),
        ("mqtt_accepted", Counter, "MQTT clients let in", of(&front.mqtt_accepted)),
        (
            "mqtt_refused_protocol",
            Counter,
            "MQTT clients refused for their version",
            of(&front.mqtt_refused_protocol),
        ),
        (
            "mqtt_refused_unavailable",
            Counter,
            "MQTT clients refused because they are disabled or the hub could not decide",
            of(&front.mqtt_refused_unavailable),
        ),
        (
            "mqtt_refused_unauthorised",
            Counter,
            "MQTT clients refused because they did not prove who they are",
            of(&front.mqtt_refused_unauthorised),
        ),
        ("mqtt_publishes", Counter, "Messages from MQTT clients", of(&front.mqtt_publishes)),
        ("mqtt_deliveries", Counter, "Commands sent to MQTT clients", of(&front.mqtt_deliveries)),
        (
            "ingest_bytes",
            Gauge,
            "Bytes of messages, by MQTT or AMQP, that are not durable yet",
            of(&front.ingest_bytes),
        ),
        (
            "mqtt_waits_for_room",
            Counter,
            "Times that an MQTT connection was not read for want of room",
            of(&front.mqtt_waits_for_room),
        ),
        ("mqtt_left", Counter, "MQTT connections ended by their clients", of(&front.mqtt_left)),
        (
            "mqtt_broken",
            Counter,
            "MQTT connections closed because the client broke the rules",
            of(&front.mqtt_broken),
        ),
        (
            "mqtt_writes_stalled",
            Counter,
            "MQTT connections closed because the client stopped reading",
            of(&front.mqtt_writes_stalled),
        ),
        (
            "mqtt_silent",
            Counter,
            "MQTT connections closed because the client was silent",
            of(&front.mqtt_silent),
        ),
        (
            "mqtt_publishes_refused",
            Counter,
            "MQTT connections closed because a message was not kept",
            of(&front.mqtt_publishes_refused),
        ),
        (
            "mqtt_superseded",
            Counter,
            "MQTT connections closed because the identity connected anew",
            of(&front.mqtt_superseded),
        ),
        (
            "mqtt_expired",
            Counter,
            "MQTT connections closed because the token's time was over",
            of(&front.mqtt_expired),
        ),
        (
            "mqtt_told_to_go",
            Counter,
            "MQTT connections closed by the hub for another reason",
            of(&front.mqtt_told_to_go),
        ),
    ]
}
