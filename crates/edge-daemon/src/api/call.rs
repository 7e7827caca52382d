//! One request, read and taken apart.

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::Problem;

/// Who is at the other end of the socket, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub uid: u32,
    pub pid: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Absent,
    Json(Bytes),
    /// Of another type: as good as absent, but for a PUT.
    Foreign,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: Method,
    /// The parts of the path, decoded; a slash at its end does not count.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub version: &'static str,
    pub body: Body,
    pub peer: Peer,
}

impl Call {
    /// `None` for a path that is no UTF-8.
    pub(super) fn segments_of(path: &str) -> Option<Vec<String>> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/').map(decode).collect()
    }

    pub(super) fn query_of(query: &str) -> Option<Vec<(String, String)>> {
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
            })
            .collect()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`, `None` when it is not asked.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.query(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Problem::parameter(name)),
        }
    }

    /// A route that is there from this version on.
    pub(crate) fn since(&self, version: &str) -> Result<(), Problem> {
        if self.version < version {
            return Err(Problem::new(400, "invalid api-version"));
        }
        Ok(())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.optional_json()?.ok_or_else(|| Problem::new(400, "missing request body"))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        match &self.body {
            Body::Json(bytes) => {
                let read = serde_json::from_slice(bytes);
                read.map(Some).map_err(|error| Problem::new(422, format!("the body cannot be read: {error}")))
            }
            Body::Absent => Ok(None),
            Body::Foreign if self.method == Method::PUT => {
                Err(Problem::new(415, "the body must be application/json"))
            }
            Body::Foreign => Ok(None),
        }
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
