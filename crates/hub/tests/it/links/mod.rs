//! Links of applications, through the front door's trait.

mod client;
mod commands;
mod events;
mod feedback;
mod groups;
mod journal;
mod management;
mod notices;
mod readers;
mod tokens;
