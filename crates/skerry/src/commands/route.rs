//! `skerry route test`: what a condition says about a message, without a hub.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use skerry_query::route::{Message, Route, RouteCondition, Truth};
use skerry_query::{Dialect, Error};

use super::twin::parse;
use crate::failure::Failure;
use crate::output;

#[derive(Args)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub verb: RouteVerb,
}

#[derive(Subcommand)]
pub enum RouteVerb {
    /// Print true, false or undefined: whether a message would be taken.
    Test(TestArgs),
}

#[derive(Args)]
pub struct TestArgs {
    /// Whose routes the condition is for.
    #[arg(long, value_name = "hub|edge", required_unless_present = "route")]
    pub dialect: Option<Whose>,
    /// The condition, as it stands behind WHERE.
    #[arg(long, value_name = "TEXT", required_unless_present = "route", conflicts_with = "route")]
    pub condition: Option<String>,
    /// A whole route of an edge: FROM source WHERE condition INTO sink.
    #[arg(long, value_name = "TEXT")]
    pub route: Option<String>,
    /// A file with the message ("-" for standard input):
    /// {"message": {"body": …, "appProperties": {}, "systemProperties": {}}, "twin": …}.
    #[arg(long, value_name = "FILE")]
    pub message: PathBuf,
    /// Print JSON: {"result": "true"}.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    Hub,
    Edge,
}

pub fn run(args: &RouteArgs) -> Result<(), Failure> {
    let RouteVerb::Test(args) = &args.verb;
    let (condition, source) = condition(args)?;
    let message = read_message(&args.message)?;
    let truth = match &source {
        Some(source) if !source.matches(&message.origin()) => {
            eprintln!("The message does not come from {source}.");
            Truth::False
        }
        _ => condition.evaluate(&message),
    };
    if let Some(unread) = message.unread()
        && condition.wants_body()
    {
        eprintln!("The body counts for nothing: {unread}.");
    }
    let result = truth.to_string();
    if args.json { output::json(&json!({"result": result})) } else { output::line(&result) }
}

/// What is asked, and for a whole route from where.
fn condition(args: &TestArgs) -> Result<(RouteCondition, Option<skerry_query::route::Source>), Failure> {
    match (&args.route, &args.condition) {
        (Some(_), _) if args.dialect == Some(Whose::Hub) => Err(Failure::usage(
            "routes with FROM and INTO are the edge's, give the hub's routes as --condition",
        )),
        (Some(text), _) => {
            let route = Route::parse(text).map_err(|error| pointed("--route", text, &error))?;
            Ok((route.condition, Some(route.source)))
        }
        (None, condition) => {
            let text = condition.as_deref().unwrap_or_default();
            let dialect = match args.dialect {
                Some(Whose::Edge) => Dialect::EdgeRoute,
                _ => Dialect::HubRoute,
            };
            let condition = RouteCondition::parse(text, dialect);
            Ok((condition.map_err(|error| pointed("--condition", text, &error))?, None))
        }
    }
}

fn read_message(file: &Path) -> Result<Message, Failure> {
    let shown = file.display();
    if file != Path::new("-") && !file.exists() {
        return Err(Failure::NotFound(format!("there is no file {shown}")));
    }
    let json = parse(&shown.to_string(), &super::twin::read(file)?)?;
    Message::from_json(&json).map_err(|error| Failure::usage(format!("{shown}: {error}")))
}

/// Characters of the line that are shown around a mistake.
const SHOWN_BEFORE: usize = 60;
const SHOWN_BEHIND: usize = 40;

/// The mistake, the line that has it, and below it a mark at the place.
fn pointed(option: &str, text: &str, error: &Error) -> Failure {
    let place = error.position();
    let line: Vec<char> = text.split('\n').nth(place.line as usize - 1).unwrap_or_default().chars().collect();
    let at = (place.column as usize - 1).min(line.len());
    let (from, to) = (at.saturating_sub(SHOWN_BEFORE), line.len().min(at + SHOWN_BEHIND));
    let readable = |c: &char| if c.is_control() { ' ' } else { *c };
    let shown: String = line.get(from..to).unwrap_or_default().iter().map(readable).collect();
    let mark = " ".repeat(at - from);
    Failure::usage(format!("{option}: {error}\n    {shown}\n    {mark}^"))
}
