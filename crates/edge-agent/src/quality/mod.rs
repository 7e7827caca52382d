//! How the agent does, gathered from its own figures and sent to the hub now and then: what the original
//! calls quality telemetry. Only where somebody wants it.
//!
//! A message is one series after the other, all numbers with their lowest byte first:
//!
//! ```text
//! name's length (4)  name  labels' length (4)  labels as JSON  count (4)  (ticks (8)  value (8)) × count
//! ```

mod page;
mod samples;

pub(crate) use samples::Samples;

/// By which the hub's side knows such messages.
pub(crate) const CONTENT_TYPE: &str = "application/x-azureiot-edgeruntimediagnostics";
