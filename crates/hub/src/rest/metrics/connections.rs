//! What connections and HTTP count.

use skerry_front::{Figure, Figures};

use super::{
    Kind::{Counter, Gauge},
    Row,
};

pub(super) fn figures(front: &Figures) -> [Row; 24] {
    let of = Figure::get;
    [
        (
            "connections_accepted",
            Counter,
            "Connections taken from the system",
            of(&front.connections_accepted),
        ),
        ("connections_open", Gauge, "Connections that are open", of(&front.connections_open)),
        (
            "connections_half_open",
            Gauge,
            "Connections whose handshake is not done",
            of(&front.connections_half_open),
        ),
        (
            "connections_refused_full",
            Counter,
            "Connections closed because too many were open",
            of(&front.connections_refused_full),
        ),
        (
            "half_open_dropped",
            Counter,
            "Half-open connections that made room for newer ones",
            of(&front.half_open_dropped),
        ),
        ("handshakes_done", Counter, "TLS handshakes that succeeded", of(&front.handshakes_done)),
        ("handshakes_failed", Counter, "TLS handshakes that failed", of(&front.handshakes_failed)),
        (
            "handshakes_timed_out",
            Counter,
            "TLS handshakes that took too long",
            of(&front.handshakes_timed_out),
        ),
        ("accept_errors", Counter, "Times the system gave no connection", of(&front.accept_errors)),
        (
            "connections_panicked",
            Counter,
            "Connections ended by a fault of the hub",
            of(&front.connections_panicked),
        ),
        ("http_requests", Counter, "HTTP requests", of(&front.http_requests)),
        ("http_requests_open", Gauge, "HTTP requests being read or answered", of(&front.http_requests_open)),
        ("http_body_bytes", Gauge, "Bytes of request bodies held", of(&front.http_body_bytes)),
        (
            "http_bodies_streamed",
            Gauge,
            "Bodies that are taken piece by piece",
            of(&front.http_bodies_streamed),
        ),
        (
            "http_streamed_bytes",
            Counter,
            "Bytes of bodies that were taken piece by piece",
            of(&front.http_streamed_bytes),
        ),
        ("http_bodies_too_large", Counter, "Bodies refused for their size", of(&front.http_bodies_too_large)),
        (
            "http_bodies_timed_out",
            Counter,
            "Bodies that did not arrive in time",
            of(&front.http_bodies_timed_out),
        ),
        ("http_bodies_broken", Counter, "Bodies that broke off", of(&front.http_bodies_broken)),
        (
            "http_bodies_without_budget",
            Counter,
            "Bodies for which there was no memory",
            of(&front.http_bodies_without_budget),
        ),
        ("http_headers_refused", Counter, "Requests with too many headers", of(&front.http_headers_refused)),
        (
            "http_handlers_panicked",
            Counter,
            "Requests ended by a fault of the hub",
            of(&front.http_handlers_panicked),
        ),
        (
            "http_heads_timed_out",
            Counter,
            "Connections closed because a head did not arrive in time",
            of(&front.http_heads_timed_out),
        ),
        (
            "http_idle_closed",
            Counter,
            "Connections closed because nothing was asked",
            of(&front.http_idle_closed),
        ),
        (
            "http_writes_stalled",
            Counter,
            "Connections closed because the client stopped reading",
            of(&front.http_writes_stalled),
        ),
    ]
}
