//! Reads a module's log as a stream, and stops when it is longer than what was asked for.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use skerry_runtime::{LogFrame, LogFrames, Runtime, Stream};

use super::super::Context;
use super::line::Line;
use super::{Encoding, Form, LogFilter};

pub(super) const TOO_LONG: &str = "the log is longer than what may be read of it at once";

pub(crate) struct Source {
    runtime: Arc<dyn Runtime>,
    hub: String,
    device: String,
}

enum Sink {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) {
        let written = match self {
            Self::Plain(into) => into.write_all(bytes),
            Self::Gzip(into) => into.write_all(bytes),
        };
        written.expect("memory takes what it is given");
    }

    fn bytes_count(&self) -> usize {
        match self {
            Self::Plain(into) => into.len(),
            Self::Gzip(into) => into.get_ref().len(),
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Plain(into) => Bytes::from(into),
            Self::Gzip(into) => Bytes::from(into.finish().expect("memory takes what it is given")),
        }
    }
}

impl Source {
    pub(crate) fn of(context: &Context) -> Self {
        Self {
            runtime: Arc::clone(&context.runtime),
            hub: context.hub_host.clone(),
            device: context.device_id.clone(),
        }
    }

    /// At most `bytes_max` in its final form.
    pub(crate) async fn read(
        &self,
        module: &str,
        filter: &LogFilter,
        form: Form,
        bytes_max: usize,
    ) -> Result<Bytes, String> {
        let mut stream = self.runtime.logs(module, &filter.query).await.map_err(|error| error.to_string())?;
        let mut frames = LogFrames::default();
        let mut sink = match form.encoding {
            Encoding::None => Sink::Plain(Vec::new()),
            Encoding::Gzip => Sink::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
        };
        while let Some(piece) = stream.next().await.map_err(|error| error.to_string())? {
            frames.push(&piece);
            while let Some(frame) = frames.next_frame() {
                self.write(module, &frame, filter, form, &mut sink);
            }
            if sink.bytes_count() > bytes_max {
                return Err(TOO_LONG.to_owned());
            }
        }
        let bytes = sink.finish();
        if bytes.len() > bytes_max { Err(TOO_LONG.to_owned()) } else { Ok(bytes) }
    }

    fn write(&self, module: &str, frame: &LogFrame, filter: &LogFilter, form: Form, sink: &mut Sink) {
        let text = String::from_utf8_lossy(&frame.text);
        let line = Line::parse(text.trim_end_matches(['\n', '\r']));
        let has_level = filter.level.is_none_or(|level| level == line.level);
        if !has_level || filter.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(line.text)) {
            return;
        }
        if !form.is_json {
            return sink.write(&frame.text);
        }
        let record = json!({
            "iothub": self.hub,
            "device": self.device,
            "id": module,
            "stream": if frame.stream == Stream::Error { "stderr" } else { "stdout" },
            "loglevel": line.level,
            "text": line.text,
            "timestamp": line.timestamp,
        });
        sink.write(format!("{record}\n").as_bytes());
    }
}
