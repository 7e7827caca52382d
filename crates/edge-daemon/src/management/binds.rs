//! Workload sockets are mounted by their directories.
//!
//! The original's agent asks for `MNT/<module>.sock:/var/run/iotedge/workload.sock`. A socket file that is
//! mounted dies with the daemon that made it, so such a bind becomes `MNT/<module>:/var/run/iotedge`; the
//! module finds its socket under the same path.

use std::path::Path;

use serde_json::{Map, Value};

/// Rewrites `HostConfig.Binds`. A bind whose target is not called `file` stays: there the socket would have
/// another name.
pub(super) fn mount_directories(options: &mut Map<String, Value>, mnt: &Path, file: &str) {
    let binds =
        options.get_mut("HostConfig").and_then(|host| host.get_mut("Binds")).and_then(Value::as_array_mut);
    for bind in binds.into_iter().flatten() {
        if let Some(text) = bind.as_str().and_then(|text| by_directory(text, mnt, file)) {
            *bind = text.into();
        }
    }
}

fn by_directory(bind: &str, mnt: &Path, file: &str) -> Option<String> {
    let mut parts = bind.splitn(3, ':');
    let (source, target, mode) = (parts.next()?, parts.next()?, parts.next());
    let module = Path::new(source).strip_prefix(mnt).ok()?.to_str()?.strip_suffix(".sock")?;
    let inside = target.strip_suffix(file)?.strip_suffix('/')?;
    if module.is_empty() || module.contains('/') || inside.is_empty() {
        return None;
    }
    let mode = mode.map(|mode| format!(":{mode}")).unwrap_or_default();
    Some(format!("{}:{inside}{mode}", mnt.join(module).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workload_sockets_are_mounted_by_directory() {
        let mnt = Path::new("/var/lib/aziot/edged/mnt");
        for (bind, expected) in [
            (
                "/var/lib/aziot/edged/mnt/a.sock:/var/run/iotedge/workload.sock",
                Some("/var/lib/aziot/edged/mnt/a:/var/run/iotedge"),
            ),
            (
                "/var/lib/aziot/edged/mnt/a.b.sock:/x/workload.sock:ro",
                Some("/var/lib/aziot/edged/mnt/a.b:/x:ro"),
            ),
            ("/var/lib/aziot/edged/mnt/a.sock:/x/other.sock", None),
            ("/var/lib/aziot/edged/mnt/a.sock:/workload.sock", None),
            ("/var/lib/aziot/edged/mnt/a/b.sock:/x/workload.sock", None),
            ("/var/run/iotedge/mgmt.sock:/var/run/iotedge/mgmt.sock", None),
            ("/data:/data", None),
            ("volume", None),
        ] {
            assert_eq!(by_directory(bind, mnt, "workload.sock").as_deref(), expected, "{bind}");
        }
    }
}
