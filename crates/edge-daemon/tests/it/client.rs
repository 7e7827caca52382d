//! A client as hand-made as the original's: it looks at every byte of an answer.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

#[derive(Clone)]
pub struct Client(PathBuf);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Of a chunked body; else one.
    pub chunks: Vec<Vec<u8>>,
}

impl Client {
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        self.raw(method, path, kind, body.unwrap_or_default().as_bytes()).await
    }

    /// With the newest version where the path has none.
    pub async fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        let version = if path.contains("api-version=") || path.ends_with("noversion") {
            String::new()
        } else {
            format!("{separator}api-version=2022-08-03")
        };
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!(
            "{method} {path}{version} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n"
        );
        let mut stream = UnixStream::connect(&self.0).await.unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer, method)
    }
}

impl Answer {
    pub fn parse(bytes: &[u8], method: &str) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let mut line = lines.next().unwrap().splitn(3, ' ');
        assert_eq!(line.next(), Some("HTTP/1.1"), "{method}");
        let status: u16 = line.next().unwrap().parse().unwrap();
        let reason = line.next().unwrap_or_default();
        assert!(!reason.is_empty(), "the original's clients want a reason phrase");
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, chunks: Vec::new() };
        let rest = &bytes[end + 4..];
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.chunks = chunks(rest);
        } else if status == 204 {
            assert!(rest.is_empty(), "204 has no body");
        } else {
            let length: usize = answer.header("content-length").expect("a length or chunks").parse().unwrap();
            assert_eq!(rest.len(), length);
            answer.chunks = vec![rest.to_vec()];
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body()).unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body()));
        if self.chunks.concat().is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn refused(self, status: u16, message: &str) {
        let body = self.expect(status);
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        let found = body["message"].as_str().unwrap();
        assert!(found.contains(message), "{found:?} is not {message:?}");
    }
}

fn chunks(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if length == 0 {
            assert_eq!(rest, b"\r\n");
            return chunks;
        }
        chunks.push(rest[..length].to_vec());
        rest = &rest[length + 2..];
    }
}
