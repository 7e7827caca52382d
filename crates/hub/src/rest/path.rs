//! The path of a request, decoded once and split at its slashes.
//!
//! Some tools encode the whole path, slashes included, and ids cannot hold a slash: so decoding
//! comes before splitting, and serves everybody.

use percent_encoding::percent_decode_str;

/// Segments of the path, without empty ones at its ends; `None` when it is not UTF-8 or longer
/// than any path of this API.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    const SEGMENTS_MAX: usize = 16;
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let segments: Vec<String> = decoded.trim_matches('/').split('/').map(str::to_owned).collect();
    (segments.len() <= SEGMENTS_MAX).then_some(segments)
}

/// The value of `name` in the query string, decoded.
pub(crate) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
    let (_, value) = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        let table = [
            ("/devices", vec!["devices"]),
            ("/devices/", vec!["devices"]),
            ("/devices%2Fquery", vec!["devices", "query"]),
            ("/devices/d%231", vec!["devices", "d#1"]),
            ("/devices/a%252Fb", vec!["devices", "a%2Fb"]),
            ("/twins/d1/modules/%24edgeHub", vec!["twins", "d1", "modules", "$edgeHub"]),
            ("/", vec![""]),
        ];
        for (path, wanted) in table {
            assert_eq!(segments(path).unwrap(), wanted, "{path}");
        }
        assert_eq!(segments("/%ff"), None);
        assert_eq!(segments(&"/x".repeat(100)), None);
        assert_eq!(query_value(Some("top=5&API-Version=2021%2D04"), "api-version").unwrap(), "2021-04");
    }
}
