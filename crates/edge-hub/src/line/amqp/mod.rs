//! Connections to the hub over AMQP, on TCP or in a WebSocket: one for all identities, each with a token, a session
//! and links of its own on it.
//!
//! ```text
//!  line (a task) ──► Branch ──── Mail ────► Trunk (a task) ──► Client ──► hub
//!                      ▲── News ──────────────┘ └ Member: token, session, links
//! ```
//!
//! 1. An identity comes with a token that is shown for it and says who speaks: the edge hub. Its links say by the
//!    chain that they carry for whom. What the hub has against one costs the others nothing.
//! 2. Tokens are shown anew before they end; nobody is dropped for it.
//! 3. Where the edge hub's own line finds that the hub is stuck, or another one does while nothing comes at all, or
//!    the hub answers nobody for `silence_max`, the connection is given up, and all begin anew.
//! 4. A letter that the hub turns away for good is refused; for one that it does not take now its line begins anew, and
//!    sends it again with all behind it.
//!
//! | of | bound | overflow |
//! |---|---|---|
//! | letters of an identity under way | [`WINDOW`] | no room |
//! | what lines say | [`MAIL_MAX`] | no room for letters; a line that says something else begins anew |
//! | what a line does not hear yet | [`NEWS_MAX`] | its line begins anew |
//! | identities of a connection, those that left with them | [`NAMES_MAX`] | another connection |
//! | commands that nobody settles, calls that nobody answers | [`COMMANDS_MAX`], [`CALLS_MAX`] | no more come; the oldest call is forgotten |

mod branch;
mod member;
mod said;
mod trunk;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skerry_front::device::Soon;
use skerry_model::IdentityId;
use tokio::sync::{mpsc, oneshot};

use super::carrier::{Carrier, DialError, Dialer, Dialing};
use super::mqtt::Way;
use trunk::{Join, Mail};

const WINDOW: usize = 512;
const MAIL_MAX: usize = 8192;
const NEWS_MAX: usize = 4 * WINDOW;
/// Hubs remember as many tokens for a connection, and forget none before its end.
const NAMES_MAX: usize = 1000;
const COMMANDS_MAX: u32 = 50;
const CALLS_MAX: usize = 256;

/// A token of the edge hub's, or why there is none.
pub type TokenSource = dyn Fn() -> Soon<Result<String, String>> + Send + Sync;

pub struct AmqpDialerOptions {
    /// The hub's name, as tokens are shown for it.
    pub host: String,
    /// Asked before each connection.
    pub way: Arc<Way>,
    /// Asked before the token of the way ends.
    pub token: Arc<TokenSource>,
    /// What the edge says that it is.
    pub product: String,
    /// Of tokens, and when they are shown anew.
    pub token_life: Duration,
    pub renew_after: Duration,
    /// A hub that answers nobody for so long is taken for gone.
    pub silence_max: Duration,
}

pub struct AmqpDialer {
    options: Arc<AmqpDialerOptions>,
    /// Mostly one.
    trunks: Mutex<BTreeMap<u64, Known>>,
    /// Connections in a row that did not come about.
    failures: Arc<AtomicU32>,
}

/// A connection, as the dialer knows it.
struct Known {
    mail: mpsc::Sender<Mail>,
    is_full: Arc<AtomicBool>,
}

impl AmqpDialer {
    pub fn new(options: AmqpDialerOptions) -> Self {
        Self { options: Arc::new(options), trunks: Mutex::default(), failures: Arc::default() }
    }

    /// The connection that has room; a new one where none has.
    fn trunk(&self) -> mpsc::Sender<Mail> {
        let mut trunks = self.trunks.lock().unwrap_or_else(PoisonError::into_inner);
        trunks.retain(|_, known| !known.mail.is_closed());
        if let Some(known) = trunks.values().find(|known| !known.is_full.load(Ordering::SeqCst)) {
            return known.mail.clone();
        }
        let (mail, said) = mpsc::channel(MAIL_MAX);
        let is_full = Arc::new(AtomicBool::new(false));
        let (options, failures) = (Arc::clone(&self.options), Arc::clone(&self.failures));
        tokio::spawn(trunk::run(options, said, Arc::clone(&is_full), failures));
        let number = trunks.last_key_value().map_or(0, |(last, _)| last + 1);
        trunks.insert(number, Known { mail: mail.clone(), is_full });
        mail
    }
}

impl Dialer for AmqpDialer {
    fn dial(&self, id: IdentityId, chain: Option<String>) -> Dialing {
        let mail = self.trunk();
        Box::pin(async move {
            let gone =
                || DialError::Unreachable { why: "the connection to the hub has just ended".to_owned() };
            let (reply, replied) = oneshot::channel();
            let join = Join { id, chain, mail: mail.clone(), reply };
            mail.send(Mail::Join(Box::new(join))).await.map_err(|_| gone())?;
            let branch = replied.await.map_err(|_| gone())??;
            let carrier: Box<dyn Carrier> = Box::new(branch);
            Ok(carrier)
        })
    }
}
