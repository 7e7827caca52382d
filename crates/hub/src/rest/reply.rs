//! An answer before it is bytes on a connection.

use std::borrow::Cow;

use serde_json::Value;

/// Status, headers and a whole body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::json_text(status, body.to_string())
    }

    /// For JSON that is text already.
    pub(super) fn json_text(status: u16, body: String) -> Self {
        let headers = vec![("content-type".into(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.into_bytes() }
    }

    /// 204, which SDKs expect without a body.
    pub fn empty() -> Self {
        Self { status: 204, ..Self::default() }
    }

    pub fn header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name.into(), value.into()));
    }

    /// Adds the etag, which is quoted in the header only.
    #[must_use]
    pub(super) fn with_etag(mut self, etag: &str) -> Self {
        self.header("etag", format!("\"{etag}\""));
        self
    }
}
