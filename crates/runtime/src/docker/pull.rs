//! A pull: the engine tells line by line how far it is, and at the end whether it went well.
//!
//! A pull that is given up loses the layers that have not come whole: so nothing but silence ends
//! it, however slow the line is.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::DockerOptions;
use super::call::{Call, segment, told};
use super::reference::tagged;
use crate::{Credentials, EngineError, OnProgress, PullError, PullProgress, PullRequest};

/// Beyond it, layers are not counted any more.
const LAYERS_MAX: usize = 1024;
/// A longer line is none of the engine's.
const LINE_BYTES_MAX: usize = 1 << 20;

pub(super) async fn pull(
    options: &DockerOptions,
    request: &PullRequest,
    progress: OnProgress<'_>,
) -> Result<(), PullError> {
    let image = &request.image;
    let path = format!("/images/create?fromImage={}", segment(&tagged(image)));
    let mut call = Call::new(options, "pull", Method::POST, path);
    if let Some(credentials) = &request.credentials {
        call = call.header("X-Registry-Auth", authorization(credentials));
    }
    // The engine asks the registry before it begins its answer.
    let call = call.later(options.pull_stall);
    let mut open = call.open().await.map_err(|error| classify_early(error, image))?;
    let mut lines = Lines::default();
    let mut layers = Layers::default();
    loop {
        let frame = timeout(options.pull_stall, open.body.frame()).await;
        let frame =
            frame.map_err(|_| PullError::Stalled { image: image.clone(), after: options.pull_stall })?;
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| EngineError::Down {
            place: options.socket.display().to_string(),
            reason: told(&error),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        lines.push(&data)?;
        while let Some(line) = lines.next_line() {
            let Ok(line) = serde_json::from_slice::<Value>(&line) else { continue };
            if let Some(text) = line.get("error").and_then(Value::as_str) {
                return Err(classify(text, image));
            }
            if layers.note(&line) {
                progress(layers.progress());
            }
        }
    }
}

fn authorization(credentials: &Credentials) -> String {
    let Credentials { address, username, password, email } = credentials;
    let auth = json!({
        "username": username, "password": password, "email": email.as_deref().unwrap_or_default(),
        "serveraddress": address
    });
    URL_SAFE.encode(auth.to_string())
}

/// A refusal before the first line.
fn classify_early(error: EngineError, image: &str) -> PullError {
    match error {
        EngineError::NotFound { text } => match classify(&text, image) {
            PullError::Refused { image, text } => PullError::NotFound { image, text },
            other => other,
        },
        EngineError::Refused { status: 400, text, .. } => {
            PullError::Reference { image: image.to_owned(), text }
        }
        EngineError::Refused { text, .. } => classify(&text, image),
        other => PullError::Engine(other),
    }
}

/// The engine has words only for what went wrong.
fn classify(text: &str, image: &str) -> PullError {
    let (image, text) = (image.to_owned(), text.to_owned());
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return PullError::DiskFull { image, text };
    }
    if says(&["unauthorized", "denied", "no basic auth credentials", "authentication required"]) {
        return PullError::Auth { image, text };
    }
    if says(&["manifest unknown", "not found", "name unknown"]) {
        return PullError::NotFound { image, text };
    }
    let network = [
        "dial tcp",
        "lookup ",
        "no such host",
        "connection refused",
        "connection reset",
        "timeout",
        "Timeout",
        "unreachable",
        "EOF",
        "x509:",
        "tls:",
        "HTTP response to HTTPS client",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "toomanyrequests",
    ];
    if says(&network) {
        return PullError::Network { image, text };
    }
    PullError::Refused { image, text }
}

/// Lines out of pieces, wherever those are cut.
#[derive(Default)]
pub(super) struct Lines {
    input: BytesMut,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), EngineError> {
        if self.input.len() + piece.len() > LINE_BYTES_MAX {
            let text = format!("a line of more than {LINE_BYTES_MAX} bytes");
            return Err(EngineError::Garbled { call: "pull", text });
        }
        self.input.extend_from_slice(piece);
        Ok(())
    }

    pub(super) fn next_line(&mut self) -> Option<Bytes> {
        let end = self.input.iter().position(|byte| *byte == b'\n')?;
        Some(self.input.split_to(end + 1).freeze())
    }
}

#[derive(Default)]
struct Layers {
    layers: HashMap<String, Layer>,
}

#[derive(Default)]
struct Layer {
    bytes: u64,
    bytes_done: u64,
    is_done: bool,
}

impl Layers {
    /// Whether it was news.
    fn note(&mut self, line: &Value) -> bool {
        let text = |key| line.get(key).and_then(Value::as_str);
        let (Some(id), Some(status)) = (text("id"), text("status")) else { return false };
        // The line with the tag as its id speaks of the whole image.
        if status.starts_with("Pulling from") {
            return false;
        }
        if !self.layers.contains_key(id) && self.layers.len() == LAYERS_MAX {
            return false;
        }
        let layer = self.layers.entry(id.to_owned()).or_default();
        let number = |key| line.get("progressDetail").and_then(|detail| detail.get(key)?.as_u64());
        match status {
            "Downloading" => {
                layer.bytes = number("total").unwrap_or(layer.bytes);
                layer.bytes_done = number("current").unwrap_or(layer.bytes_done);
            }
            "Download complete" => layer.bytes_done = layer.bytes,
            "Pull complete" | "Already exists" => {
                layer.bytes_done = layer.bytes;
                layer.is_done = true;
            }
            _ => {}
        }
        true
    }

    fn progress(&self) -> PullProgress {
        let mut progress = PullProgress::default();
        for layer in self.layers.values() {
            progress.layers += 1;
            progress.layers_done += u32::from(layer.is_done);
            progress.bytes += layer.bytes;
            progress.bytes_done += layer.bytes_done;
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_becomes_a_reason() {
        let kind = |text: &str| match classify(text, "a") {
            PullError::Auth { .. } => "auth",
            PullError::NotFound { .. } => "not found",
            PullError::DiskFull { .. } => "disk",
            PullError::Network { .. } => "network",
            PullError::Refused { .. } => "refused",
            other => panic!("{other}"),
        };
        for (text, expected) in [
            ("pull access denied for a, repository does not exist or may require 'docker login'", "auth"),
            ("Head \"http://h/v2/a/manifests/1\": no basic auth credentials", "auth"),
            ("unauthorized: authentication required", "auth"),
            ("manifest for h/a:1 not found: manifest unknown: manifest unknown", "not found"),
            ("failed to register layer: write /x: no space left on device", "disk"),
            ("Get \"https://h/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", "network"),
            ("Get \"https://h/v2/\": net/http: TLS handshake timeout", "network"),
            ("unexpected EOF", "network"),
            ("filesystem layer verification failed for digest sha256:0", "refused"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn layers_are_summed_up() {
        let mut layers = Layers::default();
        for (line, is_news) in [
            (json!({"status": "Pulling from a", "id": "1"}), false),
            (json!({"status": "Pulling fs layer", "progressDetail": {}, "id": "x"}), true),
            (json!({"status": "Already exists", "progressDetail": {}, "id": "y"}), true),
            (
                json!({"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "x"}),
                true,
            ),
            (json!({"status": "Status: Downloaded newer image for a"}), false),
        ] {
            assert_eq!(layers.note(&line), is_news, "{line}");
        }
        let progress = PullProgress { layers: 2, layers_done: 1, bytes: 10, bytes_done: 5 };
        assert_eq!(layers.progress(), progress);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut lines = Lines::default();
        lines.push(b"{}\n{").unwrap();
        assert_eq!(lines.next_line().as_deref(), Some(&b"{}\n"[..]));
        assert_eq!(lines.next_line(), None);
        assert!(lines.push(&vec![b'x'; LINE_BYTES_MAX]).is_err());
    }
}
