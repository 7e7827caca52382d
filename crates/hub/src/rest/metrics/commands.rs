//! What commands and their feedback count.

use super::{
    Kind::{Counter, Gauge},
    Row,
};
use crate::commands::Figures;

pub(super) fn figures(commands: &Figures) -> [Row; 14] {
    [
        ("commands_depth", Gauge, "Commands that wait or are held", commands.depth),
        ("commands_enqueued", Counter, "Commands taken in", commands.enqueued),
        ("commands_completed", Counter, "Commands that were done", commands.completed),
        ("commands_rejected", Counter, "Commands that were refused for good", commands.rejected),
        ("commands_expired", Counter, "Commands that waited for too long", commands.expired),
        ("commands_undeliverable", Counter, "Commands given up too often", commands.undeliverable),
        ("commands_abandoned", Counter, "Deliveries that were given up", commands.abandoned),
        ("commands_redelivered", Counter, "Commands delivered once more", commands.redelivered),
        ("commands_purged", Counter, "Commands taken out by an operator", commands.purged),
        ("commands_refused_full", Counter, "Commands refused because too many waited", commands.refused_full),
        ("feedback_depth", Gauge, "Records of feedback that wait or are held", commands.feedback_depth),
        ("feedback_completed", Counter, "Records of feedback that were read", commands.feedback_completed),
        ("feedback_expired", Counter, "Records of feedback that nobody read", commands.feedback_expired),
        ("feedback_dropped", Counter, "Records of feedback for which was no room", commands.feedback_dropped),
    ]
}
