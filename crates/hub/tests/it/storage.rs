//! The blob endpoint as storage clients use it, in memory and without sockets.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use skerry_hub::files::{BlobName, Permissions};
use skerry_store::{MemoryDocuments, MemoryOptions};

use crate::world::{Stored, World};

fn world() -> World {
    World::over(Arc::new(MemoryDocuments::new(MemoryOptions::default())))
}

struct Link<'a> {
    world: &'a World,
    path: String,
    link: String,
}

impl<'a> Link<'a> {
    fn new(world: &'a World, name: &str, permissions: Permissions) -> Self {
        let blob = BlobName::new(&"d1".parse().unwrap(), name).unwrap();
        let link = world.hub.files().unwrap().link(&blob, permissions);
        Self { world, path: format!("/uploads/{blob}"), link }
    }

    async fn call(&self, method: Method, query: &str, body: &[u8], headers: &[(&str, &str)]) -> Stored {
        let uri = format!("{}{}{query}", self.path, self.link);
        self.world.storage(method, &uri, body, headers).await
    }

    async fn put(&self, body: &[u8]) -> Stored {
        self.call(Method::PUT, "", body, &[("x-ms-blob-type", "BlockBlob")]).await
    }

    async fn block(&self, id: &str, body: &[u8]) -> Stored {
        self.call(Method::PUT, &format!("&comp=block&blockid={id}"), body, &[]).await
    }

    async fn list(&self, ids: &[&str]) -> Stored {
        let latest: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{latest}</BlockList>");
        self.call(Method::PUT, "&comp=blocklist", xml.as_bytes(), &[]).await
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Stored {
        self.call(Method::GET, "", b"", headers).await
    }
}

#[tokio::test]
async fn a_blob_is_put_looked_at_and_got_back() {
    let world = world();
    let link = Link::new(&world, "a", Permissions::ALL);
    let headers = [
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-blob-content-type", "text/plain"),
        ("x-ms-meta-site", "oslo"),
        ("x-ms-version", "2020-10-02"),
        ("x-ms-client-request-id", "id-1"),
        ("content-md5", "sQqNsWTgdUEFt6mb5y4/5Q=="),
        ("x-ms-content-crc64", "6tFn0BV/2XI="),
    ];
    let put = link.call(Method::PUT, "", b"Hello World", &headers[..6]).await.expect(201);
    assert_eq!(put.header("content-md5"), "sQqNsWTgdUEFt6mb5y4/5Q==");
    assert_eq!((put.header("x-ms-version"), put.header("x-ms-client-request-id")), ("2020-10-02", "id-1"));
    assert_eq!(put.header("last-modified"), "Thu, 01 Jan 2026 00:00:00 GMT");
    assert!(put.header("etag").starts_with("\"0x") && put.header("x-ms-request-id").len() == 32);

    let got = link.get(&[]).await.expect(200);
    assert_eq!((got.body.as_slice(), got.header("etag")), (b"Hello World".as_slice(), put.header("etag")));
    assert_eq!((got.header("content-length"), got.header("content-type")), ("11", "text/plain"));
    assert_eq!(
        (got.header("x-ms-meta-site"), got.header("content-md5")),
        ("oslo", "sQqNsWTgdUEFt6mb5y4/5Q==")
    );
    assert_eq!((got.header("x-ms-blob-type"), got.header("accept-ranges")), ("BlockBlob", "bytes"));
    let head = link.call(Method::HEAD, "", b"", &[]).await.expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, "11"));

    let part = link.get(&[("x-ms-range", "bytes=6-99"), ("range", "bytes=0-0")]).await.expect(206);
    assert_eq!((part.body.as_slice(), part.header("content-range")), (b"World".as_slice(), "bytes 6-10/11"));
    assert_eq!(
        (part.header("content-md5"), part.header("x-ms-blob-content-md5")),
        ("", "sQqNsWTgdUEFt6mb5y4/5Q==")
    );
    let summed = [("range", "bytes=0-10"), ("x-ms-range-get-content-md5", "true")];
    assert_eq!(link.get(&summed).await.expect(206).header("content-md5"), "sQqNsWTgdUEFt6mb5y4/5Q==");
    let beyond = link.get(&[("range", "bytes=11-")]).await.refused(416, "InvalidRange");
    assert_eq!(beyond.header("content-range"), "bytes */11");

    link.call(Method::DELETE, "", b"", &[]).await.expect(202);
    link.get(&[]).await.refused(404, "BlobNotFound");
    link.call(Method::DELETE, "", b"", &[]).await.refused(404, "BlobNotFound");
    let head = link.call(Method::HEAD, "", b"", &[]).await.refused(404, "BlobNotFound");
    assert_eq!(head.body, b"");
}

#[tokio::test]
async fn a_blob_is_made_of_blocks() {
    let world = world();
    let link = Link::new(&world, "a", Permissions::UPLOAD);
    assert!(!link.block("MQ==", b"one").await.expect(201).header("x-ms-content-crc64").is_empty());
    link.block("Mg%3D%3D", b"two").await.expect(201);
    link.get(&[]).await.refused(404, "BlobNotFound");
    let all = "&comp=blocklist&blocklisttype=all";
    let shown = link.call(Method::GET, all, b"", &[]).await.expect(200);
    let text = String::from_utf8(shown.body).unwrap();
    assert!(text.contains("<UncommittedBlocks><Block><Name>MQ==</Name><Size>3</Size></Block>"), "{text}");
    link.list(&["Mg==", "MQ==", "Mg=="]).await.expect(201);
    let got = link.get(&[]).await.expect(200);
    assert_eq!(
        (got.body.as_slice(), got.header("content-type")),
        (b"twoonetwo".as_slice(), "application/octet-stream")
    );
    let shown = link.call(Method::GET, "&comp=blocklist", b"", &[]).await.expect(200);
    let text = String::from_utf8(shown.body).unwrap();
    assert_eq!(text.matches("<Name>Mg==</Name>").count(), 2, "{text}");
    link.list(&["Mw=="]).await.refused(400, "InvalidBlockList");
    link.block("", b"x").await.refused(400, "InvalidQueryParameterValue");
    link.block("%%", b"x").await.refused(400, "InvalidQueryParameterValue");
    let many: Vec<&str> = vec!["MQ=="; 11];
    link.list(&many).await.refused(400, "BlockListTooLong");
    let broken = link.call(Method::PUT, "&comp=blocklist", b"<BlockList>", &[]).await;
    broken.refused(400, "InvalidXmlDocument");
    assert_eq!(link.get(&[]).await.body, b"twoonetwo");
}

#[tokio::test]
async fn bytes_that_changed_on_the_way_are_refused() {
    let world = world();
    let link = Link::new(&world, "a", Permissions::UPLOAD);
    for (name, value, code) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "Md5Mismatch"),
        ("x-ms-content-crc64", "AAAAAAAAAAA=", "Crc64Mismatch"),
    ] {
        let headers = [("x-ms-blob-type", "BlockBlob"), (name, value)];
        link.call(Method::PUT, "", b"Hello", &headers).await.refused(400, code);
        link.call(Method::PUT, "&comp=block&blockid=MQ==", b"Hello", &headers[1..]).await.refused(400, code);
        link.call(Method::PUT, "&comp=blocklist", b"<BlockList/>", &headers[1..]).await.refused(400, code);
    }
    link.get(&[]).await.refused(404, "BlobNotFound");
    assert_eq!(world.hub.files().unwrap().blobs().figures(), Default::default());
}

#[tokio::test]
async fn a_link_allows_what_it_says_for_one_blob_and_a_while() {
    let world = world();
    let upload = Link::new(&world, "a", Permissions::UPLOAD);
    upload.put(b"x").await.expect(201);
    upload.call(Method::DELETE, "", b"", &[]).await.refused(403, "AuthorizationPermissionMismatch");
    let reader = Link::new(&world, "a", Permissions { read: true, write: false, delete: false });
    reader.get(&[]).await.expect(200);
    for query in ["", "&comp=block&blockid=MQ==", "&comp=blocklist"] {
        let headers = [("x-ms-blob-type", "BlockBlob")];
        let refused = reader.call(Method::PUT, query, b"y", &headers).await;
        refused.refused(403, "AuthorizationPermissionMismatch");
    }
    for path in ["/uploads/d1/b", "/uploads/d1", "/uploads/", "/uploads/d2/a"] {
        let other = Link { world: &world, path: path.to_owned(), link: upload.link.clone() };
        let refused = other.get(&[]).await.refused(403, "AuthenticationFailed");
        let text = String::from_utf8(refused.body).unwrap();
        assert!(text.starts_with(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code>"
        ));
    }
    let unsigned = Link { world: &world, path: upload.path.clone(), link: "?sp=rw".to_owned() };
    unsigned.get(&[]).await.refused(403, "AuthenticationFailed");
    world.clock.advance(Duration::from_secs(3600));
    upload.get(&[]).await.refused(403, "AuthenticationFailed");
}

#[tokio::test]
async fn conditions_decide() {
    let world = world();
    let link = Link::new(&world, "a", Permissions::ALL);
    let blob = ("x-ms-blob-type", "BlockBlob");
    let put =
        async |headers: &[(&str, &str)]| link.call(Method::PUT, "", b"x", &[&[blob], headers].concat()).await;
    put(&[("if-match", "*")]).await.refused(412, "ConditionNotMet");
    let first = put(&[("if-none-match", "*")]).await.expect(201).header("etag").to_owned();
    put(&[("if-none-match", "*")]).await.refused(409, "BlobAlreadyExists");
    let list = link.call(Method::PUT, "&comp=blocklist", b"<BlockList/>", &[("if-none-match", "*")]).await;
    list.refused(409, "BlobAlreadyExists");
    let second = put(&[("if-match", &first)]).await.expect(201).header("etag").to_owned();
    assert_ne!(first, second);
    put(&[("if-match", &first)]).await.refused(412, "ConditionNotMet");
    put(&[("if-match", "\"other\"")]).await.refused(412, "ConditionNotMet");
    put(&[("if-none-match", &first)]).await.refused(400, "InvalidHeaderValue");
    link.get(&[("if-match", &second)]).await.expect(200);
    link.get(&[("if-match", &first)]).await.refused(412, "ConditionNotMet");
    let same = link.get(&[("if-none-match", &second)]).await.refused(304, "ConditionNotMet");
    assert_eq!(same.body, b"");
    link.call(Method::DELETE, "", b"", &[("if-match", &first)]).await.refused(412, "ConditionNotMet");
    link.call(Method::DELETE, "", b"", &[("if-match", &second)]).await.expect(202);
}

#[tokio::test]
async fn what_does_not_exist_here_is_refused_and_not_passed_over() {
    let world = world();
    let link = Link::new(&world, "a", Permissions::ALL);
    for (name, code) in [
        ("x-ms-copy-source", "UnsupportedHeader"),
        ("if-modified-since", "UnsupportedHeader"),
        ("x-ms-encryption-key", "UnsupportedHeader"),
    ] {
        link.call(Method::PUT, "", b"x", &[("x-ms-blob-type", "BlockBlob"), (name, "1")])
            .await
            .refused(400, code);
    }
    let lease = [("x-ms-blob-type", "BlockBlob"), ("x-ms-lease-id", "1")];
    link.call(Method::PUT, "", b"x", &lease).await.refused(412, "LeaseNotPresentWithBlobOperation");
    link.call(Method::PUT, "", b"x", &[]).await.refused(400, "MissingRequiredHeader");
    link.call(Method::PUT, "", b"x", &[("x-ms-blob-type", "PageBlob")])
        .await
        .refused(400, "InvalidHeaderValue");
    link.call(Method::PUT, "&comp=metadata", b"", &[]).await.refused(400, "InvalidQueryParameterValue");
    link.call(Method::POST, "", b"", &[]).await.refused(405, "UnsupportedHttpVerb");
    let much = "v".repeat(17 * 1024);
    let headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-much", much.as_str())];
    link.call(Method::PUT, "", b"x", &headers).await.refused(400, "MetadataTooLarge");
    link.get(&[("range", "bytes=-1")]).await.refused(404, "BlobNotFound");
}

#[tokio::test]
async fn a_full_store_refuses_what_is_written_and_gives_what_it_has() {
    let world = world();
    for name in ["a", "b"] {
        Link::new(&world, name, Permissions::UPLOAD).put(&[7; 45_000]).await.expect(201);
    }
    let link = Link::new(&world, "c", Permissions::UPLOAD);
    let refused = link.put(&[7; 10_001]).await.refused(409, "InsufficientStorage");
    assert!(String::from_utf8(refused.body).unwrap().contains("no room"));
    link.block("MQ==", &[7; 10_001]).await.refused(409, "InsufficientStorage");
    link.put(&[7; 50_001]).await.refused(413, "RequestBodyTooLarge");
    assert_eq!(Link::new(&world, "a", Permissions::UPLOAD).get(&[]).await.body.len(), 45_000);
    link.put(&[7; 10_000]).await.expect(201);
}
