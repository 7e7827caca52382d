//! Names of system properties: matched without regard to case, written in one canonical form.
//!
//! `SELECT DeviceId` must answer with the key `deviceId`. Below tags, desired and reported
//! properties the names are the user's own, and their case counts.

use crate::syntax::Step;

/// A name and the system names below it.
struct Known {
    name: &'static str,
    below: &'static [Known],
}

const fn leaf(name: &'static str) -> Known {
    Known { name, below: &[] }
}

const fn node(name: &'static str, below: &'static [Known]) -> Known {
    Known { name, below }
}

/// Of twins and of job rows; they do not contradict each other.
static ROOTS: &[Known] = &[
    leaf("deviceId"),
    leaf("moduleId"),
    leaf("etag"),
    leaf("deviceEtag"),
    leaf("version"),
    leaf("status"),
    leaf("statusReason"),
    leaf("statusUpdateTime"),
    leaf("connectionState"),
    leaf("lastActivityTime"),
    leaf("cloudToDeviceMessageCount"),
    leaf("authenticationType"),
    node("x509Thumbprint", &[leaf("primaryThumbprint"), leaf("secondaryThumbprint")]),
    leaf("modelId"),
    node("capabilities", &[leaf("iotEdge")]),
    leaf("deviceScope"),
    leaf("parentScopes"),
    leaf("tags"),
    node("properties", &[leaf("desired"), leaf("reported")]),
    leaf("configurations"),
    leaf("jobId"),
    leaf("jobType"),
    leaf("startTimeUtc"),
    leaf("endTimeUtc"),
    leaf("createdDateTimeUtc"),
    leaf("lastUpdatedDateTimeUtc"),
    node("outcome", &[node("deviceMethodResponse", &[leaf("status"), leaf("payload")])]),
    node("error", &[leaf("code"), leaf("description")]),
];

/// Azure IoT Explorer asks for this name; twins call it `statusUpdateTime`.
const STATUS_UPDATED_TIME: &str = "statusUpdatedTime";

/// Puts system names into their canonical form. Returns the synonym that was used, if one was:
/// the value is found under the canonical name and shown under the one that was asked for.
pub(crate) fn canonicalize(steps: &mut [Step]) -> Option<&'static str> {
    if let [Step::Name(only)] = steps
        && only.eq_ignore_ascii_case(STATUS_UPDATED_TIME)
    {
        "statusUpdateTime".clone_into(only);
        return Some(STATUS_UPDATED_TIME);
    }
    let mut level = ROOTS;
    for step in steps {
        let Step::Name(name) = step else { break };
        let Some(known) = level.iter().find(|known| known.name.eq_ignore_ascii_case(name)) else { break };
        known.name.clone_into(name);
        level = known.below;
    }
    None
}
