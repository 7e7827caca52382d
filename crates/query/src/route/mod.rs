//! Routes of messages: conditions over a message, and for edges whole routes.
//!
//! ```
//! use skerry_query::route::{Message, Origin, Route, Truth};
//!
//! let route = Route::parse("FROM /messages/* WHERE level = 'high' INTO $upstream")?;
//! let message = Message::from_json(&serde_json::json!({"appProperties": {"level": "high"}}))?;
//! assert!(route.source.matches(&Origin::telemetry(Some("sensor"), Some("out"))));
//! assert_eq!(route.condition.evaluate(&message), Truth::True);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod condition;
mod message;
mod name;
mod row;
mod sink;
mod source;
mod statement;
mod truth;

pub use body::{Unread, read_body};
pub use condition::RouteCondition;
pub use message::{Message, MessageError};
pub use name::same_name;
pub use row::RouteRow;
pub use sink::Sink;
pub use source::{Origin, Source};
pub use statement::Route;
pub use truth::Truth;
