//! `skerry ca …`: the authorities whose devices are let in by their certificates.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::args::Target;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

const CERTIFICATES: &str = "/skerry/v1/certificates";

#[derive(Args)]
pub struct CaArgs {
    #[command(subcommand)]
    pub verb: CaVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum CaVerb {
    /// List the authorities, and whether they count.
    List,
    /// Register an authority by its certificate (PEM); it counts once it is verified.
    Add {
        name: String,
        file: PathBuf,
        /// Count it at once: you vouch for it without a proof that somebody holds its key.
        #[arg(long)]
        verified: bool,
        /// Put the certificate in the place of the one that has this name.
        #[arg(long)]
        replace: bool,
    },
    /// Without a file, print the code to sign; with one, take the signed certificate as the proof.
    Verify { name: String, file: Option<PathBuf> },
    /// Remove an authority; devices that came in by it are disconnected.
    Remove {
        name: String,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(args: CaArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        CaVerb::List => list(&client.get(CERTIFICATES).await?.body, json),
        CaVerb::Add { name, file, verified, replace } => {
            let body = json!({"certificate": read(&file)?, "isVerified": verified});
            let any = [("if-match", "*")];
            let headers: &[(&str, &str)] = if replace { &any } else { &[] };
            let added = client.call(Method::PUT, &path(&name), Some(&body), headers).await?.body;
            if !verified {
                eprintln!("Next: `skerry ca verify {name}` prints the code that its key has to sign.");
            }
            show(&added, json)
        }
        CaVerb::Verify { name, file: None } => {
            let path = format!("{}/generateVerificationCode", path(&name));
            let authority = client.call(Method::POST, &path, None, &[]).await?.body;
            eprintln!(
                "Sign a certificate with this common name (CN) with the authority's key, then `skerry ca verify {name} FILE`."
            );
            if json {
                return output::json(&authority);
            }
            output::line(&output::cell(&authority["properties"]["verificationCode"]))
        }
        CaVerb::Verify { name, file: Some(file) } => {
            let body = json!({"certificate": read(&file)?});
            let path = format!("{}/verify", path(&name));
            show(&client.call(Method::POST, &path, Some(&body), &[]).await?.body, json)
        }
        CaVerb::Remove { name, dry_run } => {
            if dry_run {
                client.get(&path(&name)).await?;
                eprintln!("Would remove {name}; devices that came in by it would be disconnected.");
                return Ok(());
            }
            client.call(Method::DELETE, &path(&name), None, &[]).await?;
            eprintln!("Removed {name}.");
            Ok(())
        }
    }
}

fn path(name: &str) -> String {
    format!("{CERTIFICATES}/{}", segment(name))
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("cannot read the certificate {}: {error}", file.display())))
}

fn list(authorities: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&authorities["value"]);
    }
    let cells = |authority: &Value| {
        let properties = &authority["properties"];
        vec![
            output::cell(&authority["name"]),
            if properties["isVerified"] == true { "yes".to_owned() } else { "no".to_owned() },
            output::cell(&properties["expiry"]),
            output::cell(&properties["subject"]),
        ]
    };
    let rows: Vec<Vec<String>> = authorities["value"].as_array().into_iter().flatten().map(cells).collect();
    output::table(&["authority", "verified", "until", "subject"], &rows)
}

fn show(authority: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(authority);
    }
    output::line(&format!("{:<20} {}", "authority", output::cell(&authority["name"])))?;
    for (name, member) in [
        ("subject", "subject"),
        ("until", "expiry"),
        ("thumbprint", "thumbprint"),
        ("verified", "isVerified"),
    ] {
        output::line(&format!("{name:<20} {}", output::cell(&authority["properties"][member])))?;
    }
    Ok(())
}
