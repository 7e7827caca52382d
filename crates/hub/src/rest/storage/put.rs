//! What writes: a blob whole, a block, a list of blocks.

use http::StatusCode;
use skerry_front::{Body, Response};
use skerry_store::blobs::{Composition, Stored};

use super::call::Call;
use super::conditions::{expected, failed};
use super::fault::{Code, Fault};
use super::receive::{Received, Sums, collect, receive};
use super::{LIST_BYTES_MAX, Upload, attributes, list, put_header, reply};
use crate::files::Files;

const MD5: &str = "content-md5";
const CRC64: &str = "x-ms-content-crc64";

pub(super) async fn blob(files: &Files, call: &Call<'_>, body: Upload) -> Result<Response, Fault> {
    call.require(|link| link.write)?;
    match call.header("x-ms-blob-type") {
        Some("BlockBlob") => {}
        Some(_) => return Err(Fault::header("x-ms-blob-type", "must be BlockBlob")),
        None => {
            return Err(Fault::new(Code::MissingRequiredHeader, "x-ms-blob-type: BlockBlob must be sent"));
        }
    }
    let expect = expected(call)?;
    let Received { writing, sums } = receive(files.blobs().as_ref(), call, body).await?;
    let attributes = attributes::read(call, false, Some(&sums.md5))?;
    let stored = writing.into_blob(attributes, expect).await.map_err(|error| failed(error, expect))?;
    let mut response = written(&stored);
    put_header(response.headers_mut(), MD5, &sums.md5);
    Ok(response)
}

pub(super) async fn block(files: &Files, call: &Call<'_>, body: Upload) -> Result<Response, Fault> {
    call.require(|link| link.write)?;
    let id = call.query("blockid").and_then(|id| list::block_id(&id));
    let id = id.ok_or_else(|| Fault::new(Code::InvalidQueryParameterValue, "blockid must be base64"))?;
    let Received { writing, sums } = receive(files.blobs().as_ref(), call, body).await?;
    writing.into_block(id).await?;
    let mut response = reply(StatusCode::CREATED, Body::empty());
    put_header(response.headers_mut(), "x-ms-request-server-encrypted", "false");
    show_sums(call, &sums, &mut response);
    Ok(response)
}

pub(super) async fn block_list(files: &Files, call: &Call<'_>, body: Upload) -> Result<Response, Fault> {
    call.require(|link| link.write)?;
    let expect = expected(call)?;
    let bytes = collect(body, LIST_BYTES_MAX).await?;
    let sums = Sums::of(&bytes);
    sums.check(call)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Fault::new(Code::InvalidXmlDocument, "the block list is not UTF-8"))?;
    let blobs = files.blobs();
    let blocks = list::parse(text, blobs.limits().blocks_max)?;
    let attributes = attributes::read(call, true, None)?;
    let composition = Composition { name: call.blob.clone(), blocks, attributes, expect };
    let stored = blobs.compose(composition).await.map_err(|error| failed(error, expect))?;
    let mut response = written(&stored);
    show_sums(call, &sums, &mut response);
    Ok(response)
}

fn written(stored: &Stored) -> Response {
    let mut response = reply(StatusCode::CREATED, Body::empty());
    super::get::show_version(stored, response.headers_mut());
    put_header(response.headers_mut(), "x-ms-request-server-encrypted", "false");
    response
}

/// The sum by which the client asked, else the one that the service prefers.
fn show_sums(call: &Call<'_>, sums: &Sums, response: &mut Response) {
    match call.header(MD5) {
        Some(_) => put_header(response.headers_mut(), MD5, &sums.md5),
        None => put_header(response.headers_mut(), CRC64, &sums.crc64),
    }
}
