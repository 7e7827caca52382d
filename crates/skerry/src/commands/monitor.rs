//! `skerry monitor`: what devices send, as it comes in.

use std::io::{self, Write};

use serde_json::Value;

use crate::args::MonitorArgs;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

pub async fn run(args: MonitorArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let mut path = format!("/skerry/v1/events?from={}", segment(&args.from));
    if let Some(device) = &args.device {
        path.push_str("&device=");
        path.push_str(&segment(device));
    }
    let mut lines = Lines { json: args.target.json, begun: Vec::new() };
    tokio::select! {
        ended = client.download(&path, &mut lines) => ended?,
        // Else `| head -n 1` would wait for a message that nobody reads.
        () = output::reader_gone() => return Ok(()),
    }
    Err(Failure::unreachable("the hub has ended the stream; start again to go on"))
}

/// Prints whole lines as they come.
struct Lines {
    json: bool,
    begun: Vec<u8>,
}

impl Lines {
    fn line(&self, line: &[u8]) -> io::Result<()> {
        // An empty line only says that the hub is there.
        let text = String::from_utf8_lossy(line);
        if text.is_empty() {
            return Ok(());
        }
        let text = match (self.json, serde_json::from_str(&text)) {
            (false, Ok(event)) => readable(&event),
            _ => text.into_owned(),
        };
        output::line(&text).map_err(io::Error::other)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let rest = self.begun.split_off(end + 1);
            let line = std::mem::replace(&mut self.begun, rest);
            self.line(&line[..end])?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// When, who, what.
pub fn readable(event: &Value) -> String {
    let sender = match &event["moduleId"] {
        Value::String(module) => format!("{}/{module}", output::cell(&event["deviceId"])),
        _ => output::cell(&event["deviceId"]),
    };
    let body = match (&event["body"], &event["bodyBase64"]) {
        (Value::Null, Value::String(base64)) => format!("base64:{base64}"),
        (body, _) => output::cell(body),
    };
    let properties = match &event["properties"] {
        Value::Object(properties) => {
            let pairs = properties.iter().map(|(name, value)| format!("{name}={}", output::cell(value)));
            format!("  {}", pairs.collect::<Vec<_>>().join(" "))
        }
        _ => String::new(),
    };
    format!("{}  {sender}  {body}{properties}", output::cell(&event["enqueuedTime"]))
}
