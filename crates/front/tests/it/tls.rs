use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use skerry_front::{Authority, TlsMaterial};
use skerry_model::{Clock as _, Timestamp};
use tempfile::TempDir;

use crate::world::{Client, DAY, Listing, NAME, TestClock, TestRandom, World, tls_options, within};

#[tokio::test]
async fn the_chain_verifies_by_every_name_and_address_and_by_no_other() {
    let world = World::start();
    let client = world.client(&["http/1.1"]);
    for name in [NAME, "gateway.local", "127.0.0.1"] {
        within(client.connect_as(name)).await.unwrap();
    }
    let refused = within(client.connect_as("hub2.iot.test")).await.unwrap_err();
    assert!(refused.to_string().contains("certificate not valid for name"), "{refused}");
    world.stopped().await;
}

#[tokio::test]
async fn both_tls_versions_are_spoken_and_the_protocol_is_negotiated() {
    let world = World::start();
    for (asked, given) in
        [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let stream = within(world.client(asked).connect()).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), given);
        assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    }
    let tls12 = within(only_tls12(&world)).await;
    assert_eq!(tls12, rustls::ProtocolVersion::TLSv1_2);
    world.stopped().await;
}

async fn only_tls12(world: &World) -> rustls::ProtocolVersion {
    use rustls::pki_types::pem::PemObject as _;
    let root = std::fs::read(world.root_path()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&root).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_details(provider, world.clock.clone())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector.connect(NAME.try_into().unwrap(), tcp).await.unwrap();
    stream.get_ref().1.protocol_version().unwrap()
}

#[test]
fn the_first_start_makes_all_files_and_later_starts_keep_them() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let path = directory.path().join("tls");
    std::fs::create_dir(&path).unwrap();
    // What a crash left behind, readable by everybody.
    std::fs::write(path.join("server.key.pem.new"), "half a k").unwrap();
    let material = TlsMaterial::open(tls_options(directory.path(), &clock)).unwrap();
    let first = Listing::of(&path);
    let names: Vec<&str> = first.0.keys().map(String::as_str).collect();
    assert_eq!(names, ["root-ca.key.pem", "root-ca.pem", "server.key.pem", "server.pem"]);
    let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        names.iter().map(|name| mode(name) & !0o022).collect::<Vec<_>>(),
        [0o600, 0o644, 0o600, 0o644]
    );
    assert_eq!(material.expires_at(), clock.now().plus(skerry_front::SERVER_LIFETIME));

    clock.pass(30 * DAY);
    TlsMaterial::open(tls_options(directory.path(), &clock)).unwrap();
    assert_eq!(Listing::of(&path).0, first.0);
}

#[test]
fn a_start_makes_a_new_certificate_below_the_same_root_when_the_old_one_is_not_right() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let open = || TlsMaterial::open(tls_options(directory.path(), &clock)).unwrap();
    open();
    let path = directory.path().join("tls");
    let reissued = |why: &str, change: &dyn Fn()| {
        let before = Listing::of(&path);
        change();
        open();
        let after = Listing::of(&path);
        for (name, kept) in [
            ("root-ca.pem", true),
            ("root-ca.key.pem", true),
            ("server.pem", false),
            ("server.key.pem", false),
        ] {
            assert_eq!(before.0[name] == after.0[name], kept, "{why}: {name}");
        }
    };
    reissued("a third of its life is left", &|| clock.pass(61 * DAY));
    reissued("the certificate is broken", &|| std::fs::write(path.join("server.pem"), "broken").unwrap());
    let other = TempDir::new().unwrap();
    TlsMaterial::open(tls_options(other.path(), &clock)).unwrap();
    let foreign = |name: &str| {
        std::fs::copy(other.path().join("tls").join(name), path.join(name)).unwrap();
    };
    reissued("a crash came between key and certificate", &|| foreign("server.key.pem"));
    reissued("it hangs below another root", &|| {
        foreign("server.key.pem");
        foreign("server.pem");
    });
    reissued("the clock was wrong when it was made", &|| clock.pass(-200 * DAY));
    reissued("a name came along", &|| {
        let mut options = tls_options(directory.path(), &clock);
        options.names.push("third.test".to_owned());
        TlsMaterial::open(options).unwrap();
    });
}

#[test]
fn what_an_operator_has_to_repair_is_told() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let open = || {
        TlsMaterial::open(tls_options(directory.path(), &clock)).map(drop).map_err(|error| error.to_string())
    };
    let path = directory.path().join("tls");
    let shown = path.display();
    open().unwrap();
    let key = std::fs::read(path.join("root-ca.key.pem")).unwrap();
    std::fs::remove_file(path.join("root-ca.key.pem")).unwrap();
    open().expect("the root's key is not needed between renewals");
    clock.pass(89 * DAY);
    assert_eq!(
        open().unwrap_err(),
        format!(
            "{shown}/root-ca.key.pem is missing and a new server certificate is due: put the root's key back, or move root-ca.pem away to get a new root, which every device then has to trust"
        )
    );
    std::fs::write(path.join("root-ca.key.pem"), "nonsense").unwrap();
    assert_eq!(
        open().unwrap_err(),
        format!("{shown}/root-ca.pem: the root's key is not readable as PEM: restore it from a backup")
    );
    std::fs::copy(path.join("server.key.pem"), path.join("root-ca.key.pem")).unwrap();
    assert_eq!(
        open().unwrap_err(),
        format!(
            "{shown}/root-ca.pem: the root's key belongs to another certificate: restore both from the same backup"
        )
    );
    std::fs::write(path.join("root-ca.key.pem"), key).unwrap();
    open().unwrap();
    clock.pass(20 * 365 * DAY);
    assert!(
        open().unwrap_err().contains("root-ca.pem: the root certificate expired at 2046-"),
        "{:?}",
        open()
    );

    let mut nameless = tls_options(directory.path().join("x").as_path(), &clock);
    (nameless.names, nameless.ips) = (Vec::new(), Vec::new());
    let refused = TlsMaterial::open(nameless).map(drop).unwrap_err().to_string();
    assert!(
        refused.ends_with("a server certificate needs a name: give at least one host name or address"),
        "{refused}"
    );
    let mut foreign = tls_options(directory.path().join("y").as_path(), &clock);
    foreign.names = vec!["bücher.test".to_owned()];
    let refused = TlsMaterial::open(foreign).map(drop).unwrap_err().to_string();
    assert!(
        refused
            .ends_with("\"bücher.test\" cannot stand in a certificate: use the ASCII form of the host name"),
        "{refused}"
    );
}

#[test]
fn a_root_made_without_a_clock_outlives_the_moment_the_clock_is_found() {
    let (root, _) = Authority::create(NAME, Timestamp::from_unix_seconds(0), &TestRandom::default()).unwrap();
    let later = Timestamp::from_unix_seconds(1_780_000_000);
    let issued =
        root.issue(&[NAME.to_owned()], &[], skerry_front::SERVER_LIFETIME, later, &TestRandom::default());
    assert!(issued.is_ok());
}

#[tokio::test]
async fn an_address_that_listens_on_both_families_is_reached_by_both() {
    let world = World::with(|options| options.https = ":0".parse().unwrap());
    let port = world.address().port();
    let root = std::fs::read(world.root_path()).unwrap();
    let connect = async |address: SocketAddr| {
        Client::new(address, &root, &[], &world.clock).connect_as(NAME).await.map(drop)
    };
    within(connect(([127, 0, 0, 1], port).into())).await.unwrap();
    // Containers often have sockets of IPv6 and no address of it.
    let has_ipv6 = std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok();
    if has_ipv6 {
        within(connect(SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), port))).await.unwrap();
    }
    world.stopped().await;
}
