//! Sockets from systemd, and the word that the daemon is ready. The tool that systemd brings for it starts a
//! child of ours with the sockets.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use skerry_edge_daemon::{Inherited, inherited, notify};

use crate::world::World;

#[tokio::test]
async fn systemd_hears_when_the_daemon_is_ready_and_when_it_stops() {
    let world = World::new().await;
    for is_abstract in [false, true] {
        let (name, listener) = if is_abstract {
            let name = format!("skerry-test-{}", std::process::id());
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            (format!("@{name}"), UnixDatagram::bind_addr(&address).unwrap())
        } else {
            let path = world.path("notify.sock");
            (path.display().to_string(), UnixDatagram::bind(&path).unwrap())
        };
        let mut options = world.options();
        options.notify_socket = Some(name);
        let daemon = world.try_start(options).await.unwrap();
        let heard = async |listener: &UnixDatagram| {
            let listener = listener.try_clone().unwrap();
            let heard = tokio::task::spawn_blocking(move || {
                let mut text = [0; 256];
                let length = listener.recv(&mut text).unwrap();
                String::from_utf8(text[..length].to_vec()).unwrap()
            });
            heard.await.unwrap()
        };
        assert!(heard(&listener).await.starts_with("READY=1\n"));
        daemon.stop().await;
        assert_eq!(heard(&listener).await, "STOPPING=1");
    }
    notify(None, "READY=1").unwrap();
    notify(Some(""), "READY=1").unwrap();
    let error = notify(Some("/nowhere/at/all"), "READY=1").unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

const CHILD: &str = "SKERRY_TEST_ACTIVATED";

/// The child: a test that does nothing unless the parent below started it, with sockets as systemd gives them.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "this is where the environment is read")]
async fn the_activated_child() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let (pid, count, names) =
        (std::env::var("LISTEN_PID"), std::env::var("LISTEN_FDS"), std::env::var("LISTEN_FDNAMES"));
    let environment =
        Inherited { pid: pid.as_deref().ok(), count: count.as_deref().ok(), names: names.as_deref().ok() };
    let mut sockets = inherited(&environment, std::process::id());
    let error = sockets.take("absent").unwrap_err().to_string();
    assert!(error.contains("aziot-edged.mgmt.socket, aziot-edged.workload.socket"), "{error}");
    let world = World::new().await;
    let mut options = world.options();
    let activated = |name: &str| skerry_edge_daemon::config::SocketPlace::Activated(name.to_owned());
    options.config.listen.management = activated("aziot-edged.mgmt.socket");
    // The other by its number.
    options.config.listen.workload = activated("4");
    options.activated = sockets;
    let daemon = world.try_start(options).await.unwrap();
    assert!(!world.path("run/mgmt.sock").exists());
    assert_eq!(daemon.ended().await, skerry_edge_daemon::Outcome::Reload);
}

/// A child that does not outlive a test that fails.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn sockets_that_systemd_has_opened_are_served() {
    use crate::client::Client;
    let folder = tempfile::tempdir().unwrap();
    let paths = ["mgmt.sock", "workload.sock"].map(|name| folder.path().join(name));
    let own = std::env::current_exe().unwrap();
    let child = std::process::Command::new("systemd-socket-activate")
        .args([
            "--fdname=aziot-edged.mgmt.socket:aziot-edged.workload.socket",
            "-E",
            "SKERRY_TEST_ACTIVATED=1",
        ])
        .args(paths.iter().map(|path| format!("--listen={}", path.display())))
        .arg(own)
        .args(["--exact", "systemd::the_activated_child", "--nocapture"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("systemd-socket-activate, which comes with systemd");
    let mut child = Ended(child);
    while !paths.iter().all(|path| path.exists()) {
        assert_eq!(child.0.try_wait().unwrap(), None, "it listens, or ends");
        tokio::task::yield_now().await;
    }
    // The first connection starts the child; it waits in the socket until then.
    Client::at(&paths[1]).get("/trust-bundle").await.expect(200);
    Client::at(&paths[0]).get("/modules").await.expect(200);
    Client::at(&paths[0]).send("POST", "/skerry/v1/reload", None).await.expect(204);
    assert!(tokio::task::spawn_blocking(move || child.0.wait().unwrap().success()).await.unwrap());
}
