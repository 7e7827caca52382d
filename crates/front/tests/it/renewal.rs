use std::path::Path;

use rustls::pki_types::CertificateDer;
use skerry_front::{Authority, Check, TlsMaterial};
use skerry_model::Clock as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::world::{
    Client, DAY, NAME, TestClock, TestRandom, World, operator_options, request, tls_options, within,
};

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_renewal_reaches_new_connections_and_leaves_open_ones_alone() {
    let world = World::start();
    let client = world.client(&["http/1.1"]);
    let mut open = within(client.http1()).await;
    let first = shown(&within(client.connect()).await);
    let material = world.handle.tls().clone();

    world.clock.pass(59 * DAY);
    assert!(matches!(material.check(), Check::Unchanged));
    world.clock.pass(2 * DAY);
    let Check::Swapped { until } = material.check() else { panic!("a renewal was due") };
    assert_eq!(until, world.clock.now().plus(skerry_front::SERVER_LIFETIME));
    assert_eq!(material.expires_at(), until);
    assert!(matches!(material.check(), Check::Unchanged));

    // A client of its own: the first one would resume its session, which shows no certificate.
    let second = shown(&within(world.client(&["http/1.1"]).connect()).await);
    assert_ne!(first, second);
    assert_eq!(within(open.send_request(request("/", "still here"))).await.unwrap().status(), 200);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_its_session() {
    let world = World::start();
    let client = world.client(&["http/1.1"]);
    assert_eq!(within(client.get("/")).await.unwrap().0, 200);
    let again = within(client.connect()).await;
    assert_eq!(again.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    world.stopped().await;
}

/// A certificate below a root of the site's own, which never lies in our directory.
fn write_site(directory: &Path, root: &Authority, clock: &TestClock) {
    let issued = root.issue(
        &[NAME.to_owned()],
        &[],
        skerry_front::SERVER_LIFETIME,
        clock.now(),
        &TestRandom::default(),
    );
    let issued = issued.unwrap();
    std::fs::write(directory.join("site.pem"), issued.certificate_pem).unwrap();
    std::fs::write(directory.join("site.key.pem"), issued.key_pem).unwrap();
}

#[tokio::test]
async fn an_operators_files_are_taken_when_they_change_and_kept_out_when_broken() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let (root, root_pem) = Authority::create("site", clock.now(), &TestRandom::default()).unwrap();
    let site = directory.path().to_owned();
    write_site(&site, &root, &clock);
    let tls = TlsMaterial::open(operator_options(&site, &clock)).unwrap();
    assert!(!site.join("tls").exists(), "no root is made beside an operator's files");
    let world = World::around(directory, clock, tls.clone(), |_| {});
    assert_eq!(tls.root_path(), None);
    let client =
        || Client::new(world.address(), root_pem.certificate_pem.as_bytes(), &["http/1.1"], &world.clock);
    let first = shown(&within(client().connect()).await);
    assert!(matches!(tls.check(), Check::Unchanged));

    let kept = |expected: &str| match tls.check() {
        Check::Kept { error } => assert_eq!(error.to_string(), expected),
        other => panic!("{other:?} instead of {expected}"),
    };
    let (certificate, key) = (site.join("site.pem"), site.join("site.key.pem"));
    let good_key = std::fs::read(&key).unwrap();
    std::fs::write(&key, "half a fi").unwrap();
    kept(&format!(
        "{}: no usable key is readable in it: write it as unencrypted PEM (PKCS#8, SEC1 or PKCS#1)",
        key.display()
    ));
    std::fs::remove_file(&key).unwrap();
    kept(&format!("{} does not exist: check the path", key.display()));
    write_site(&site, &root, &world.clock);
    std::fs::write(&key, &good_key).unwrap();
    kept(&format!(
        "{}: the key does not belong to the certificate: put both files of the same renewal in place",
        certificate.display()
    ));
    std::fs::write(&certificate, "").unwrap();
    kept(&format!(
        "{}: no certificate is readable in it: write the chain as PEM, the server's certificate first",
        certificate.display()
    ));
    std::fs::write(&certificate, vec![b'x'; 2_000_000]).unwrap();
    kept(&format!(
        "{} has more than 1 MiB: it is no certificate or key, check the path",
        certificate.display()
    ));
    assert_eq!(shown(&within(client().connect()).await), first);

    write_site(&site, &root, &world.clock);
    assert!(matches!(tls.check(), Check::Swapped { .. }));
    assert_ne!(shown(&within(client().connect()).await), first);

    write_site(&site, &root, &world.clock);
    world.clock.pass(91 * DAY);
    let Check::Kept { error } = tls.check() else { panic!("an expired certificate was taken") };
    assert!(error.to_string().contains("site.pem: the certificate expired at 2026-"), "{error}");
    world.stopped().await;
}

#[test]
fn an_operators_files_have_to_be_good_at_the_start() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let refused = TlsMaterial::open(operator_options(directory.path(), &clock)).map(drop).unwrap_err();
    let path = directory.path().join("site.pem");
    assert_eq!(refused.to_string(), format!("{} does not exist: check the path", path.display()));
}

#[tokio::test(start_paused = true)]
async fn the_watch_renews_by_itself_every_half_minute() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let tls = TlsMaterial::open(tls_options(directory.path(), &clock)).unwrap();
    let first = tls.expires_at();
    let watched = tls.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watch = tokio::spawn(async move { watched.run(async { drop(stopped.await) }).await });
    clock.pass(61 * DAY);
    let renewed = async {
        while tls.expires_at() == first {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(3600), renewed).await.unwrap();
    drop(stop);
    watch.await.unwrap();
}
