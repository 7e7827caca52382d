//! The manual is run as it stands: every block of commands of every page, by one shell for each page and in its
//! order, and what is said must be what the block of `text` behind it has. What a block is, [`page`] has; what
//! holes stand for, [`said`]; where pages run, [`place`].

mod links;
mod page;
mod place;
mod said;

use std::process::Command;

use page::Kind;

/// Makes a test of each page that has something to run.
macro_rules! pages {
    ($list:ident: $($test:ident, $page:literal;)+) => {
        $(#[test] fn $test() { crate::docs::place::run(&crate::docs::page::named($page)); })+
        pub(crate) const $list: &[&str] = &[$($page),+];
    };
}

pages! { PAGES:
    a_quickstart, "quickstart.md";
    first_steps, "first-steps.md";
    the_first_device, "first-device.md";
    devices, "devices.md";
    back_up_and_restore, "backup.md";
    upgrade, "upgrade.md";
    certificates, "certificates.md";
    modules, "deploy-modules.md";
    a_gateway, "gateway.md";
    migration, "migrate.md";
    troubleshooting, "troubleshooting.md";
    edge_devices, "edge-devices.md";
    the_hub_on_the_edge, "edge-hub.md";
    events, "events.md";
    files, "files.md";
    the_log, "log.md";
    routes, "routes.md";
    a_hub_for_tests, "ci.md";
}

/// Those that need an engine, which take their turns.
mod with_an_engine {
    pages! { PAGES:
        the_first_edge_device, "first-edge-device.md";
    }
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut faults = Vec::new();
    let mut reasons = Vec::new();
    for page in page::all() {
        let is_run = [PAGES, with_an_engine::PAGES].concat().contains(&page.name.as_str());
        if page.runs() != is_run {
            let what = if is_run { "has nothing to run" } else { "has commands, and no test runs it" };
            faults.push(format!("{} {what}", page.name));
        }
        faults.extend(page.faults());
        for block in &page.blocks {
            if let Kind::NotRun(reason) = &block.kind {
                reasons.push(format!("{}:{}: {reason}", page.name, block.line));
            }
        }
    }
    println!("blocks that are not run, and why:\n{}", reasons.join("\n"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_list_of_figures_is_that_of_the_code() {
    let printed = Command::new(env!("CARGO_BIN_EXE_skerry")).args(["manual", "metrics"]).output().unwrap();
    let page = include_str!("../../../../docs/metrics.md");
    assert!(printed.stdout == page.as_bytes(), "docs/metrics.md is stale: run `cargo xtask docs`");
}
