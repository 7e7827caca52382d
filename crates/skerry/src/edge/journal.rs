//! Log lines as the original writes them; those of the parts that live in this process are kept for `iotedge logs` as
//! well.

use std::io::IsTerminal as _;

use skerry_edge_daemon::Parts;
use skerry_model::Clock as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::parts::part_of;
use crate::failure::Failure;
use crate::logging::{Lines, LogFormat, Style, filter};
use crate::world::{MachineClock, variable};

/// The level, as `iotedge system set-log-level` sets it.
pub const LEVEL_VARIABLE: &str = "AZIOT_LOG";

pub fn start(parts: Parts, format: LogFormat) -> Result<(), Failure> {
    let words = variable("SKERRY_LOG").or_else(|| variable(LEVEL_VARIABLE));
    let filter = filter(words.as_deref().unwrap_or("info"))?;
    let style = match format {
        LogFormat::Json => Style::Json,
        LogFormat::Text => Style::Edge { has_number: !std::io::stderr().is_terminal() },
    };
    let shown = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(Lines::new(style));
    tracing_subscriber::registry().with(filter).with(shown).with(kept(parts)).init();
    Ok(())
}

/// Gives each line to the part that it comes from.
pub fn kept<S: Subscriber>(parts: Parts) -> impl Layer<S> {
    Kept { parts, lines: Lines::new(Style::Edge { has_number: true }) }
}

struct Kept {
    parts: Parts,
    lines: Lines,
}

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let part = part_of(event.metadata().target()).and_then(|name| self.parts.find(name));
        if let Some(part) = part {
            let mut text = String::new();
            let now = MachineClock.now();
            // Writing to a text does not fail.
            let _ = self.lines.write(&mut text, event, now);
            text.lines().for_each(|line| part.write(now, line));
        }
    }
}
