//! How outcomes are told: lines for people, JSON for machines, both in the original's form.

use serde_json::{Map, Value, json};

use super::Outcome;
use super::catalogue::{Check, Section};

#[derive(Default)]
pub struct Report {
    is_verbose: bool,
    warnings_fail: bool,
    succeeded: usize,
    warned: usize,
    failed: usize,
    skipped: usize,
    checks: Map<String, Value>,
}

pub fn heading(section: Section) -> [String; 3] {
    let title = section.title();
    [String::new(), title.to_owned(), "-".repeat(title.len())]
}

impl Report {
    pub fn new(is_verbose: bool, warnings_fail: bool) -> Self {
        Self { is_verbose, warnings_fail, ..Self::default() }
    }

    /// Counts it, and gives the lines that tell it.
    pub fn note(&mut self, check: &Check, outcome: Outcome) -> Vec<String> {
        let Check { id, description, .. } = check;
        let mut result = json!({ "result": outcome.word() });
        if let Some(details) = outcome.reasons() {
            result["details"] = json!(details);
        }
        self.checks.insert((*id).to_owned(), json!({ "result": result, "additional_info": {} }));
        match outcome {
            Outcome::Ok => {
                self.succeeded += 1;
                vec![format!("√ {description} - OK")]
            }
            Outcome::Ignored => Vec::new(),
            Outcome::Skipped => {
                self.skipped += 1;
                if !self.is_verbose {
                    return Vec::new();
                }
                vec![
                    format!("‼ {description} - Warning"),
                    "    skipping because of previous failures".to_owned(),
                ]
            }
            Outcome::Needless(reason) => {
                if !self.is_verbose {
                    return Vec::new();
                }
                vec![format!("√ {description} - OK"), format!("    skipping because of {reason}")]
            }
            Outcome::Warning(reasons) => {
                self.warned += 1;
                self.told(format!("‼ {description} - Warning"), &reasons)
            }
            Outcome::Error(reasons) | Outcome::Fatal(reasons) => {
                self.failed += 1;
                self.told(format!("× {description} - Error"), &reasons)
            }
        }
    }

    fn told(&self, line: String, reasons: &[String]) -> Vec<String> {
        let mut lines = vec![line];
        for (at, reason) in reasons.iter().enumerate() {
            if at > 0 && !self.is_verbose {
                break;
            }
            let (indent, cause) = if at == 0 { ("    ", "") } else { ("        ", "caused by: ") };
            let parts = reason.lines().enumerate();
            lines.extend(
                parts.map(|(at, part)| format!("{indent}{}{part}", if at == 0 { cause } else { "" })),
            );
        }
        lines
    }

    pub fn has_failed(&self) -> bool {
        self.failed > 0 || (self.warnings_fail && self.warned > 0)
    }

    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![String::new(), format!("{} check(s) succeeded.", self.succeeded)];
        for (count, what) in [
            (self.warned, "raised warnings."),
            (self.failed, "raised errors."),
            (self.skipped, "were skipped due to errors from other checks."),
        ] {
            if count == 0 {
                continue;
            }
            let hint = if self.is_verbose { "" } else { " Re-run with --verbose for more details." };
            lines.push(format!("{count} check(s) {what}{hint}"));
        }
        lines
    }

    pub fn json(&self, additional: &Value) -> Value {
        json!({ "additional_info": additional, "checks": self.checks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::CHECKS;
    use super::*;

    fn chain() -> Vec<String> {
        vec!["it is so\nand so".to_owned(), "of that".to_owned()]
    }

    #[test]
    fn outcomes_are_told_as_the_original_tells_them() {
        for (outcome, is_verbose, lines) in [
            (Outcome::Ok, false, vec!["√ DNS server - OK"]),
            (Outcome::Ignored, true, vec![]),
            (Outcome::Skipped, false, vec![]),
            (
                Outcome::Skipped,
                true,
                vec!["‼ DNS server - Warning", "    skipping because of previous failures"],
            ),
            (
                Outcome::Needless("it".to_owned()),
                true,
                vec!["√ DNS server - OK", "    skipping because of it"],
            ),
            (Outcome::Warning(chain()), false, vec!["‼ DNS server - Warning", "    it is so", "    and so"]),
            (
                Outcome::Error(chain()),
                true,
                vec!["× DNS server - Error", "    it is so", "    and so", "        caused by: of that"],
            ),
        ] {
            let check = CHECKS.iter().find(|check| check.id == "container-engine-dns").unwrap();
            assert_eq!(Report::new(is_verbose, false).note(check, outcome.clone()), lines, "{outcome:?}");
        }
    }

    #[test]
    fn warnings_fail_where_somebody_asked_for_it() {
        for (outcome, strict, has_failed) in [
            (Outcome::Ok, true, false),
            (Outcome::warning("a"), false, false),
            (Outcome::warning("a"), true, true),
            (Outcome::error("a"), false, true),
            (Outcome::Skipped, true, false),
        ] {
            let mut report = Report::new(false, strict);
            report.note(&CHECKS[0], outcome.clone());
            assert_eq!(report.has_failed(), has_failed, "{outcome:?} {strict}");
        }
    }

    #[test]
    fn machines_get_details_and_people_a_summary() {
        let mut report = Report::new(false, false);
        report.note(&CHECKS[0], Outcome::Ok);
        report.note(&CHECKS[1], Outcome::Warning(chain()));
        let checks = report.json(&json!({}))["checks"].clone();
        assert_eq!(checks[CHECKS[0].id]["result"], json!({"result": "ok"}));
        assert_eq!(checks[CHECKS[1].id]["result"]["details"], json!(chain()));
        assert_eq!(
            report.summary(),
            [
                "",
                "1 check(s) succeeded.",
                "1 check(s) raised warnings. Re-run with --verbose for more details."
            ]
        );
    }
}
