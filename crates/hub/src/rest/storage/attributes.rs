//! What a client says of its blob in headers, kept with it and said again to whoever reads it.

use http::HeaderMap;
use skerry_store::blobs::Attributes;

use super::call::Call;
use super::fault::Fault;
use super::put_header;

const METADATA: &str = "x-ms-meta-";
const TYPE_DEFAULT: &str = "application/octet-stream";

/// The header that sets it, and the header that shows it, under which it is kept.
const KEPT: [(&str, &str); 6] = [
    ("x-ms-blob-cache-control", "cache-control"),
    ("x-ms-blob-content-disposition", "content-disposition"),
    ("x-ms-blob-content-encoding", "content-encoding"),
    ("x-ms-blob-content-language", "content-language"),
    ("x-ms-blob-content-md5", MD5),
    ("x-ms-blob-content-type", "content-type"),
];

pub(super) const MD5: &str = "content-md5";

/// `md5`: of all bytes, where it is known.
pub(super) fn read(call: &Call<'_>, is_list: bool, md5: Option<&str>) -> Result<Attributes, Fault> {
    let mut attributes = Attributes::new();
    for (sets, shows) in KEPT {
        // A list of blocks has a type of its own.
        let plain = if is_list || shows == MD5 { None } else { call.header(shows) };
        let value = call.header(sets).or(plain).map(str::to_owned);
        let value = match shows {
            MD5 => value.or_else(|| md5.map(str::to_owned)),
            "content-type" => value.or_else(|| Some(TYPE_DEFAULT.to_owned())),
            _ => value,
        };
        attributes.extend(value.map(|value| (shows.to_owned(), value)));
    }
    for (name, value) in &call.head.headers {
        if name.as_str().starts_with(METADATA) {
            let text = value.to_str().map_err(|_| Fault::header(name.as_str(), "is not ASCII text"))?;
            attributes.push((name.as_str().to_owned(), text.to_owned()));
        }
    }
    Ok(attributes)
}

/// `whole`: the answer has all bytes, so their MD5 may stand for the answer's.
pub(super) fn show(attributes: &Attributes, whole: bool, headers: &mut HeaderMap) {
    for (name, value) in attributes {
        let shown = KEPT.iter().find(|(_, shows)| shows == name).map(|(_, shows)| *shows);
        match shown {
            Some(MD5) if !whole => put_header(headers, "x-ms-blob-content-md5", value),
            Some(shown) => put_header(headers, shown, value),
            None => {
                let parsed = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>());
                if let (Ok(name), Ok(value)) = parsed {
                    headers.insert(name, value);
                }
            }
        }
    }
}
