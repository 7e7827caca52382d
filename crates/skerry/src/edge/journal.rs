//! Log lines as the original writes them: `<6>2026-01-02T03:04:05Z [INFO] - text`, the number for the
//! journal. On a terminal there is no number.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use skerry_edge_daemon::Parts;
use skerry_model::{Clock as _, Timestamp};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::parts::part_of;

use crate::failure::Failure;
use crate::world::{MachineClock, variable};

/// The level, as `iotedge system set-log-level` sets it.
pub const LEVEL_VARIABLE: &str = "AZIOT_LOG";

/// Lines of the parts that live in this process are kept for `iotedge logs` as well.
pub fn start(parts: Parts) -> Result<(), Failure> {
    let filter = variable("SKERRY_LOG").or_else(|| variable(LEVEL_VARIABLE));
    let filter = filter.unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!("the log level {filter:?} cannot be used: {error}. Try info or debug"))
    })?;
    let lines = Lines { has_number: !std::io::stderr().is_terminal() };
    let shown = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(lines);
    tracing_subscriber::registry().with(filter).with(shown).with(kept(parts)).init();
    Ok(())
}

/// Gives each line to the part that it comes from.
pub fn kept<S: Subscriber>(parts: Parts) -> impl Layer<S> {
    Kept { parts }
}

struct Kept {
    parts: Parts,
}

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let part = part_of(event.metadata().target()).and_then(|name| self.parts.find(name));
        if let Some(part) = part {
            let mut line = String::new();
            let now = MachineClock.now();
            // Writing to a text does not fail.
            let _ = write_line(&mut line, event, true, now);
            part.write(now, &line);
        }
    }
}

fn write_line(out: &mut dyn fmt::Write, event: &Event<'_>, has_number: bool, now: Timestamp) -> fmt::Result {
    let level = *event.metadata().level();
    let (number, word) = words(level);
    if has_number {
        write!(out, "<{number}>")?;
    }
    write!(out, "{now} [{word}] - ")?;
    if level >= Level::DEBUG {
        write!(out, "[{}] ", event.metadata().target())?;
    }
    let mut text = Text::default();
    event.record(&mut text);
    write!(out, "{}{}", text.message, text.fields)
}

struct Lines {
    has_number: bool,
}

fn words(level: Level) -> (u8, &'static str) {
    match level {
        Level::ERROR => (3, "ERR!"),
        Level::WARN => (4, "WARN"),
        Level::INFO => (6, "INFO"),
        Level::DEBUG => (7, "DBUG"),
        Level::TRACE => (7, "TRCE"),
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write_line(&mut out, event, self.has_number, MachineClock.now())?;
        writeln!(out)
    }
}

/// The sentence, and what stands behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A line break in a module's name or an engine's words would begin a line of its own.
        let value = format!("{value:?}").replace('\n', "\\n");
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn lines_are_the_originals() {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(kept.clone())
            .event_format(Lines { has_number: true })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("It broke.");
            tracing::warn!(module = "a\nb", "It may break.");
            tracing::info!(count = 3, "It goes.");
            tracing::debug!("Inside.");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<(&str, &str)> = text
            .lines()
            .map(|line| (&line[..3], line.split_once(" [").map_or("", |(_, rest)| rest)))
            .collect();
        assert_eq!(
            lines,
            [
                ("<3>", "ERR!] - It broke."),
                ("<4>", "WARN] - It may break. module=\"a\\nb\""),
                ("<6>", "INFO] - It goes. count=3"),
                ("<7>", "DBUG] - [skerry::edge::journal::tests] Inside."),
            ]
        );
    }
}
