//! Every size, depth, count and character limit in one table. They are the original's; where a
//! hub's owner may raise one, the configuration says so and this is the default.

/// Characters of a device or module id.
pub const ID_CHARS_MAX: usize = 128;
/// Punctuation that an id may hold besides ASCII letters and digits.
pub const ID_PUNCTUATION: &str = "-:.+%_#*?!(),=@;$'";
/// Modules of one device.
pub const MODULES_PER_DEVICE_MAX: usize = 50;
/// Identities in one bulk request.
pub const BULK_IDENTITIES_MAX: usize = 100;
/// Identities in one unpaged listing.
pub const LISTING_MAX: usize = 1000;
/// Characters of a status reason.
pub const STATUS_REASON_CHARS_MAX: usize = 128;
/// Parents of one device.
pub const PARENT_SCOPES_MAX: usize = 1;
/// Edge devices behind each other; leaves behind the last do not count.
pub const EDGE_GENERATIONS_MAX: usize = 5;
/// Devices of one page of a device scope, and where a client asks for none.
pub const SCOPE_PAGE_MAX: usize = 1000;
pub const SCOPE_PAGE_DEFAULT: usize = 100;

/// Bytes of tags, by the counting rule of [`crate::twin::section_bytes`].
pub const TAGS_BYTES_MAX: usize = 8 * 1024;
/// Bytes of desired properties, by the same rule.
pub const DESIRED_BYTES_MAX: usize = 32 * 1024;
/// Bytes of reported properties, by the same rule.
pub const REPORTED_BYTES_MAX: usize = 32 * 1024;
/// Levels of objects and arrays below a twin section.
pub const TWIN_DEPTH_MAX: usize = 10;
/// UTF-8 bytes of one key in a twin.
pub const TWIN_KEY_BYTES_MAX: usize = 1024;
/// UTF-8 bytes of one string in a twin.
pub const TWIN_STRING_BYTES_MAX: usize = 4096;
/// Integers of a twin lie between the negative of this and one below it.
pub const TWIN_INTEGER_BOUND: i64 = 1 << 52;

/// Characters of a query.
pub const QUERY_CHARS_MAX: usize = 8192;
/// Rows of a query page where the client asks for none, and the most it can have.
pub const QUERY_PAGE_DEFAULT: usize = 100;
pub const QUERY_PAGE_MAX: usize = 1000;

/// Bytes of a message to the hub, with its properties.
pub const DEVICE_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a message to a device, with its properties.
pub const CLOUD_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all application properties of a message.
pub const MESSAGE_PROPERTIES_BYTES_MAX: usize = 64 * 1024;
/// Application properties of a message.
pub const MESSAGE_PROPERTIES_MAX: usize = 1000;
/// Characters of a message id or correlation id.
pub const MESSAGE_ID_CHARS_MAX: usize = 128;
/// Characters of a method's name.
pub const METHOD_NAME_CHARS_MAX: usize = 100;
/// Bytes of a method's payload, either way.
pub const METHOD_PAYLOAD_BYTES_MAX: usize = 128 * 1024;
