//! Labels on containers, as the original and its users' scripts know them.

/// Says whose a container is; its value is [`OWNER_AGENT`].
pub const OWNER: &str = "net.azure-devices.edge.owner";
pub const OWNER_AGENT: &str = "Microsoft.Azure.Devices.Edge.Agent";
/// The image as the manifest has it, before anything in it was replaced.
pub const ORIGINAL_IMAGE: &str = "net.azure-devices.edge.original-image";
/// Says which of several edge devices on one engine has made a container, where somebody has chosen so.
pub const PLACE: &str = "skerry.place";
