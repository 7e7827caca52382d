//! How lines look, and which of them are shown.

use std::fmt;

use serde_json::{Map, Value};
use skerry_model::{Clock as _, Timestamp};
use tokio::time::Instant;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::limit::{Limiter, WINDOW};
use super::text::Text;
use crate::world::MachineClock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `2026-01-02T03:04:05Z INFO  text field=value`
    Plain { has_colours: bool },
    /// The original edge's: `<6>2026-01-02T03:04:05Z [INFO] - text field=value`, the number for the journal.
    Edge { has_number: bool },
    /// One object a line: `time`, `level`, `text`, `target` and the fields.
    Json,
}

/// Formats events, and keeps those back that are said too often.
pub struct Lines {
    style: Style,
    limiter: Limiter,
    began: Instant,
}

impl Lines {
    pub fn new(style: Style) -> Self {
        Self { style, limiter: Limiter::default(), began: Instant::now() }
    }

    /// What is to be written, each line with its end; nothing where the event is kept back.
    pub fn write(&self, out: &mut dyn fmt::Write, event: &Event<'_>, now: Timestamp) -> fmt::Result {
        let (text, metadata) = (Text::of(event), event.metadata());
        let level = *metadata.level();
        let verdict = self.limiter.ask(level, metadata.callsite(), &text.sentence, self.began.elapsed());
        for (count, sentence) in verdict.left_out {
            self.write_left_out(out, count, &sentence, now)?;
        }
        if !verdict.is_shown {
            return Ok(());
        }
        match self.style {
            Style::Json => write_json(out, level, metadata.target(), text, now),
            _ => {
                self.write_head(out, level, now)?;
                // Where it comes from matters to whoever looks inside.
                if level >= Level::DEBUG {
                    write!(out, "[{}] ", metadata.target())?;
                }
                out.write_str(&text.sentence)?;
                text.write_fields(out)?;
                out.write_char('\n')
            }
        }
    }

    fn write_left_out(
        &self,
        out: &mut dyn fmt::Write,
        count: u64,
        sentence: &str,
        now: Timestamp,
    ) -> fmt::Result {
        let seconds = WINDOW.as_secs();
        if self.style == Style::Json {
            let mut object = head(Level::INFO, now);
            object.insert("text".to_owned(), "Repeats were left out.".into());
            object.insert("count".to_owned(), count.into());
            object.insert("of".to_owned(), sentence.into());
            return writeln!(out, "{}", Value::Object(object));
        }
        self.write_head(out, Level::INFO, now)?;
        writeln!(out, "The same was left out {count} times within {seconds} s: {sentence}")
    }

    fn write_head(&self, out: &mut dyn fmt::Write, level: Level, now: Timestamp) -> fmt::Result {
        match self.style {
            Style::Edge { has_number } => {
                let (number, word) = edge_words(level);
                if has_number {
                    write!(out, "<{number}>")?;
                }
                write!(out, "{now} [{word}] - ")
            }
            Style::Plain { has_colours: true } => {
                write!(out, "\x1b[2m{now}\x1b[0m \x1b[{}m{level:<5}\x1b[0m ", colour(level))
            }
            _ => write!(out, "{now} {level:<5} "),
        }
    }
}

fn head(level: Level, now: Timestamp) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("time".to_owned(), now.to_string().into());
    object.insert("level".to_owned(), level.as_str().to_ascii_lowercase().into());
    object
}

fn write_json(
    out: &mut dyn fmt::Write,
    level: Level,
    target: &str,
    mut text: Text,
    now: Timestamp,
) -> fmt::Result {
    let mut object = head(level, now);
    object.insert("text".to_owned(), std::mem::take(&mut text.sentence).into());
    object.insert("target".to_owned(), target.into());
    for (name, value) in text.fields() {
        // A field of such a name does not take the place of what stands in every line.
        let name = if object.contains_key(name) { format!("field.{name}") } else { name.to_owned() };
        object.insert(name, value);
    }
    writeln!(out, "{}", Value::Object(object))
}

fn edge_words(level: Level) -> (u8, &'static str) {
    match level {
        Level::ERROR => (3, "ERR!"),
        Level::WARN => (4, "WARN"),
        Level::INFO => (6, "INFO"),
        Level::DEBUG => (7, "DBUG"),
        Level::TRACE => (7, "TRCE"),
    }
}

/// Of a terminal; the word says the same.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        self.write(&mut out, event, MachineClock.now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::logging::limit::BURST;

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

    /// What is written in a style while `say` runs.
    fn written(style: Style, say: impl FnOnce()) -> String {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(kept.clone())
            .event_format(Lines::new(style))
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    fn say() {
        tracing::error!("It broke.");
        tracing::warn!(module = "a\nb", "It may break.");
        tracing::info!(count = 3, way = %"up", is_new = true, "It goes.");
        tracing::debug!("Inside.");
    }

    #[test]
    fn lines_of_the_edge_are_the_originals() {
        let text = written(Style::Edge { has_number: true }, say);
        let lines: Vec<(&str, &str)> = text
            .lines()
            .map(|line| (&line[..3], line.split_once(" [").map_or("", |(_, rest)| rest)))
            .collect();
        let inside = format!("DBUG] - [{}] Inside.", module_path!());
        assert_eq!(
            lines,
            [
                ("<3>", "ERR!] - It broke."),
                ("<4>", "WARN] - It may break. module=\"a\\nb\""),
                ("<6>", "INFO] - It goes. count=3 way=up is_new=true"),
                ("<7>", &*inside),
            ]
        );
    }

    #[test]
    fn plain_lines_have_a_time_a_level_and_a_sentence() {
        let text = written(Style::Plain { has_colours: false }, say);
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        // Which program this is depends on who compiles it.
        let inside = format!("DEBUG [{}] Inside.", module_path!());
        assert_eq!(
            lines,
            [
                "ERROR It broke.",
                "WARN  It may break. module=\"a\\nb\"",
                "INFO  It goes. count=3 way=up is_new=true",
                &*inside,
            ]
        );
        let coloured = written(Style::Plain { has_colours: true }, say);
        assert!(coloured.contains("\x1b[31mERROR\x1b[0m It broke.\n"), "{coloured}");
    }

    #[test]
    fn a_line_of_json_is_an_object_with_its_fields() {
        let text = written(Style::Json, || {
            say();
            tracing::info!(text = "mine", "Whose?");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[0]["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!(lines[1]["module"], "a\nb");
        let it_goes = &lines[2];
        assert_eq!((&it_goes["level"], &it_goes["text"]), (&"info".into(), &"It goes.".into()));
        assert_eq!(
            (&it_goes["count"], &it_goes["way"], &it_goes["is_new"]),
            (&3.into(), &"up".into(), &true.into())
        );
        assert_eq!(it_goes["target"], module_path!());
        assert_eq!((&lines[4]["text"], &lines[4]["field.text"]), (&"Whose?".into(), &"mine".into()));
    }

    #[test]
    fn what_is_said_too_often_is_not_written() {
        let text = written(Style::Plain { has_colours: false }, || {
            for device in 0..BURST * 3 {
                tracing::warn!(device, "It is not let in.");
            }
            tracing::info!("Something else.");
        });
        let count = text.lines().filter(|line| line.contains("It is not let in.")).count();
        assert_eq!(count as u64, BURST);
        assert!(text.ends_with("Something else.\n"), "{text}");
    }

    #[test]
    fn what_was_left_out_is_told_in_every_style() {
        for (style, ends) in [
            (Style::Plain { has_colours: false }, "INFO  The same was left out 7 times within 60 s: No.\n"),
            (Style::Edge { has_number: false }, "[INFO] - The same was left out 7 times within 60 s: No.\n"),
            (
                Style::Json,
                "\"level\":\"info\",\"text\":\"Repeats were left out.\",\"count\":7,\"of\":\"No.\"}\n",
            ),
        ] {
            let mut out = String::new();
            Lines::new(style).write_left_out(&mut out, 7, "No.", Timestamp::from_unix_seconds(0)).unwrap();
            assert!(out.ends_with(ends), "{out}");
        }
    }
}
