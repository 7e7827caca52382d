//! `skerry c2d …`: messages for devices and modules.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;
use skerry_model::limits::CLOUD_MESSAGE_BYTES_MAX;
use skerry_model::{Clock as _, Random as _};

use crate::args::Target;
use crate::client::{Client, Response, segment};
use crate::failure::Failure;
use crate::output;
use crate::world::{MachineClock, MachineRandom};

const FEEDBACK: &str = "/messages/serviceBound/feedback";
/// Between two looks at feedback, which comes together for longer than that.
const PAUSE: Duration = Duration::from_secs(2);
/// Looks before the client connects anew: its token does not last for ever.
const LOOKS_MAX: usize = 300;

#[derive(Args)]
pub struct C2dArgs {
    #[command(subcommand)]
    pub verb: C2dVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum C2dVerb {
    /// Send a message; it waits until the device receives it or it expires.
    Send {
        #[command(flatten)]
        to: C2dRecipient,
        /// Which outcomes the hub shall tell of: none, positive, negative or full.
        #[arg(long, value_enum, default_value = "none")]
        ack: AckWord,
        /// A property of your own, as NAME=VALUE; repeat it for more. Names become lower case.
        #[arg(long = "property", value_name = "NAME=VALUE")]
        properties: Vec<String>,
        /// Its id, by which feedback names it [default with --ack: a random one, which is printed].
        #[arg(long, value_name = "ID")]
        message_id: Option<String>,
        /// Seconds until it expires [default: the hub's, an hour unless it is configured].
        #[arg(long, value_name = "SECONDS")]
        expiry: Option<u64>,
        /// The body ("-" for standard input).
        body: String,
    },
    /// Take out everything that waits for a device or module.
    Purge {
        #[command(flatten)]
        to: C2dRecipient,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what became of messages whose senders asked; what is shown is not shown again.
    Feedback {
        /// Go on until interrupted.
        #[arg(long)]
        follow: bool,
    },
}

#[derive(Args)]
pub struct C2dRecipient {
    #[arg(long, value_name = "ID")]
    pub device: String,
    #[arg(long, value_name = "MODULE")]
    pub module: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AckWord {
    None,
    Positive,
    Negative,
    Full,
}

impl AckWord {
    /// The word on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            AckWord::None => "none",
            AckWord::Positive => "positive",
            AckWord::Negative => "negative",
            AckWord::Full => "full",
        }
    }
}

pub async fn run(args: C2dArgs) -> Result<(), Failure> {
    let json = args.target.json;
    match args.verb {
        C2dVerb::Send { to, ack, properties, message_id, expiry, body } => {
            let message = Outgoing::new(ack, &properties, message_id.as_ref(), expiry, &body)?;
            let mut client = Client::connect(&args.target).await?;
            message.send(&mut client, &to).await
        }
        C2dVerb::Purge { to, dry_run } => {
            purge(&mut Client::connect(&args.target).await?, &to, dry_run, json).await
        }
        C2dVerb::Feedback { follow } => {
            let mut goes_on = true;
            while goes_on {
                goes_on = feedback(&mut Client::connect(&args.target).await?, follow, json).await?;
            }
            Ok(())
        }
    }
}

struct Outgoing {
    headers: Vec<(String, String)>,
    /// Made here: the sender has to learn it.
    made_id: Option<String>,
    body: Bytes,
}

impl Outgoing {
    fn new(
        ack: AckWord,
        properties: &[String],
        message_id: Option<&String>,
        expiry: Option<u64>,
        body: &str,
    ) -> Result<Self, Failure> {
        let wants_feedback = !matches!(ack, AckWord::None);
        let made_id = (message_id.is_none() && wants_feedback).then(random_id);
        let mut headers = vec![("iothub-ack".to_owned(), ack.wire().to_owned())];
        if let Some(id) = message_id.or(made_id.as_ref()) {
            headers.push(("iothub-messageid".to_owned(), id.clone()));
        }
        if let Some(seconds) = expiry {
            let expiry = MachineClock.now().plus(Duration::from_secs(seconds));
            headers.push(("iothub-expiry".to_owned(), expiry.to_string()));
        }
        for property in properties {
            let (name, value) =
                property.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                    Failure::usage(format!("{property:?} is no property, write it as NAME=VALUE"))
                })?;
            headers.push((format!("iothub-app-{name}"), value.to_owned()));
        }
        let body = match body {
            "-" => standard_input()?,
            text => Bytes::from(text.to_owned()),
        };
        Ok(Self { headers, made_id, body })
    }

    async fn send(self, client: &mut Client, to: &C2dRecipient) -> Result<(), Failure> {
        let path = format!("{}/messages/deviceBound", path(to));
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client.call_with_bytes(Method::POST, &path, self.body, &headers).await?;
        self.made_id.map_or(Ok(()), |id| output::line(&id))
    }
}

/// One byte more than a message may have, so that the hub refuses it and nothing is cut.
fn standard_input() -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    let most = CLOUD_MESSAGE_BYTES_MAX as u64 + 1;
    let read = std::io::stdin().lock().take(most).read_to_end(&mut body);
    read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    Ok(body.into())
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    MachineRandom::new().fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

fn path(to: &C2dRecipient) -> String {
    let device = segment(&to.device);
    match &to.module {
        Some(module) => format!("/devices/{device}/modules/{}", segment(module)),
        None => format!("/devices/{device}"),
    }
}

async fn purge(client: &mut Client, to: &C2dRecipient, dry_run: bool, json: bool) -> Result<(), Failure> {
    if dry_run {
        let shown = client.get(&path(to)).await?.body;
        let waiting = output::cell(&shown["cloudToDeviceMessageCount"]);
        eprintln!("Would take out the {waiting} messages that wait at {}.", path(to));
        return Ok(());
    }
    let purged = client.call(Method::DELETE, &format!("{}/commands", path(to)), None, &[]).await?.body;
    match json {
        true => output::json(&purged),
        false => {
            output::line(&format!("{} messages were taken out", output::cell(&purged["totalMessagesPurged"])))
        }
    }
}

/// Whether to go on, with a new connection.
async fn feedback(client: &mut Client, follow: bool, json: bool) -> Result<bool, Failure> {
    for _ in 0..LOOKS_MAX {
        let batch = client.get(FEEDBACK).await?;
        match lock(&batch) {
            Some(lock) => {
                for record in batch.body.as_array().into_iter().flatten() {
                    show(record, json)?;
                }
                // Printed first: what is not printed comes again.
                let path = format!("{FEEDBACK}/{}", segment(&lock));
                client.call(Method::DELETE, &path, None, &[]).await?;
            }
            None if follow => tokio::time::sleep(PAUSE).await,
            None => return Ok(false),
        }
    }
    Ok(true)
}

fn lock(batch: &Response) -> Option<String> {
    Some(batch.header("etag")?.trim_matches('"').to_owned())
}

fn show(record: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::line(&record.to_string());
    }
    let columns = ["enqueuedTimeUtc", "deviceId", "originalMessageId", "statusCode"];
    output::line(&columns.map(|name| output::cell(&record[name])).join("  "))
}
