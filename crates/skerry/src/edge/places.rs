//! Where an edge device has its files: the original's places for root, the user's own folders for others.

use std::path::{Path, PathBuf};

use skerry_edge_daemon::Places;
use skerry_edge_daemon::config::{Config, SocketPlace};

use super::options::PlaceOptions;
use crate::world;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// The operator's file.
    pub config: PathBuf,
    data: PathBuf,
    /// Wins over `[listen]`.
    sockets: Option<PathBuf>,
}

/// The agent's backup and history.
const AGENT: &str = "edged/agent";
/// The edge hub's messages and what it remembers.
const HUB: &str = "edged/hub";
const IMAGES: &str = "edged/gc/image_use";
/// What was applied of the operator's file.
const APPLIED: &str = "edged/applied";
/// Where the original has its two sockets, and its services' three.
const SOCKETS: &str = "/var/run/iotedge";
const SERVICES: &str = "/run/aziot";

impl Directories {
    pub fn new(options: &PlaceOptions) -> Self {
        let is_root = world::is_root();
        let of_user = |name, below: &str| world::user_folder(name, below).join("skerry/edge");
        let config = options.config.clone().unwrap_or_else(|| match is_root {
            true => PathBuf::from("/etc/aziot/config.toml"),
            false => of_user("XDG_CONFIG_HOME", ".config").join("config.toml"),
        });
        let data = options.data.clone().unwrap_or_else(|| match is_root {
            true => PathBuf::from("/var/lib/aziot"),
            false => of_user("XDG_DATA_HOME", ".local/share"),
        });
        // Others than root can write to neither of the original's.
        let sockets = options.sockets.clone().or_else(|| (!is_root).then(|| data.join("sockets")));
        Self { config, data, sockets }
    }

    /// The snapshot that `config apply` makes.
    pub fn applied(&self) -> PathBuf {
        self.data.join(APPLIED)
    }

    pub fn agent(&self) -> PathBuf {
        self.data.join(AGENT)
    }

    pub fn hub(&self) -> PathBuf {
        self.data.join(HUB)
    }

    /// Which images are ours, where the original has it.
    pub fn images(&self) -> PathBuf {
        self.data.join(IMAGES)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The management API of a daemon that runs on these places.
    pub fn management(&self) -> PathBuf {
        self.sockets.as_deref().unwrap_or(Path::new(SOCKETS)).join("mgmt.sock")
    }

    pub fn services(&self) -> PathBuf {
        self.sockets.clone().unwrap_or_else(|| PathBuf::from(SERVICES))
    }

    pub fn for_daemon(&self) -> Places {
        Places {
            keys: self.data.join("keyd/keys"),
            certificates: self.data.join("certd/certs"),
            identities: self.data.join("identityd"),
            home: self.data.join("edged"),
            services: Some(self.services()),
            root: PathBuf::from("/"),
        }
    }

    /// Opens the sockets here instead of where `config` says: because somebody asked for it, or because
    /// systemd, which was to open them, did not start us.
    pub fn settle_sockets(&self, config: &mut Config, is_activated: bool) {
        let (directory, is_asked) = match &self.sockets {
            Some(directory) => (directory.as_path(), true),
            None => (Path::new(SOCKETS), false),
        };
        let listen = &mut config.listen;
        for (place, name) in [(&mut listen.management, "mgmt.sock"), (&mut listen.workload, "workload.sock")]
        {
            let is_lost = !is_activated && matches!(place, SocketPlace::Activated(_));
            if is_asked || is_lost {
                *place = SocketPlace::Unix(directory.join(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(data: &str, sockets: Option<&str>) -> Directories {
        Directories {
            config: PathBuf::from("/c"),
            data: PathBuf::from(data),
            sockets: sockets.map(PathBuf::from),
        }
    }

    fn config(text: &str) -> Config {
        let text = format!("{text}\n[provisioning]\nsource = \"none\"\n");
        Config::parse(&text, true).unwrap().config
    }

    #[test]
    fn sockets_are_where_somebody_opens_them() {
        let written = "[listen]\nworkload_uri = \"unix:///w\"\nmanagement_uri = \"fd://m\"";
        for (sockets, text, is_activated, expected) in [
            (None, "", true, ["fd aziot-edged.mgmt.socket", "fd aziot-edged.workload.socket"]),
            (None, "", false, ["/var/run/iotedge/mgmt.sock", "/var/run/iotedge/workload.sock"]),
            (None, written, false, ["/var/run/iotedge/mgmt.sock", "/w"]),
            (Some("/s"), written, true, ["/s/mgmt.sock", "/s/workload.sock"]),
        ] {
            let mut config = config(text);
            at("/d", sockets).settle_sockets(&mut config, is_activated);
            let shown = [config.listen.management, config.listen.workload].map(|place| match place {
                SocketPlace::Unix(path) => path.display().to_string(),
                SocketPlace::Activated(name) => format!("fd {name}"),
            });
            assert_eq!(shown, expected.map(str::to_owned), "{sockets:?} {text}");
        }
    }

    #[test]
    fn roots_places_are_the_originals() {
        let places = at("/var/lib/aziot", None).for_daemon();
        let original = Places::default();
        assert_eq!(places.keys, original.keys);
        assert_eq!(places.certificates, original.certificates);
        assert_eq!(places.identities, original.identities);
        assert_eq!(places.home, original.home);
        assert_eq!(places.services, original.services);
    }
}
