//! The same sentence again and again is said a few times, and then counted: a device that knocks at the door all night
//! must not fill the disk.
//!
//! A sentence is what stands in the code, filled in; the fields behind it may differ. Of one sentence [`BURST`] lines
//! are shown in a [`WINDOW`]. What is left out is told when the window is over, before whichever line comes next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::Level;
use tracing::callsite::Identifier;

pub const BURST: u64 = 10;
pub const WINDOW: Duration = Duration::from_secs(60);
/// Sentences that are known apart; further ones of a place in the code count as one.
const SENTENCES_MAX: usize = 1000;
/// Places in the code are not that many, so this is never reached.
const ENTRIES_MAX: usize = 2 * SENTENCES_MAX;

#[derive(Default)]
pub struct Limiter(Mutex<State>);

#[derive(Default)]
struct State {
    sentences: HashMap<(Identifier, String), Said>,
    /// Sentences of which something was left out.
    owed: usize,
}

struct Said {
    since: Duration,
    shown: u64,
    left_out: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub is_shown: bool,
    /// What was left out of sentences whose window is over: how often, and the sentence.
    pub left_out: Vec<(u64, String)>,
}

impl Limiter {
    /// `now` is on a clock that never goes back.
    pub fn ask(&self, level: Level, place: Identifier, sentence: &str, now: Duration) -> Verdict {
        // Whoever asks for more than `info` wants to see everything.
        if level > Level::INFO {
            return Verdict { is_shown: true, left_out: Vec::new() };
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shown = state.count(place, sentence, now);
        let left_out = if is_shown { state.take_owed(now) } else { Vec::new() };
        Verdict { is_shown, left_out }
    }
}

impl State {
    fn count(&mut self, place: Identifier, sentence: &str, now: Duration) -> bool {
        if self.sentences.len() >= SENTENCES_MAX {
            // What was said long ago, and is owed to nobody.
            self.sentences.retain(|_, said| said.left_out > 0 || now < said.since + WINDOW);
        }
        let mut key = (place, sentence.to_owned());
        if self.sentences.len() >= SENTENCES_MAX && !self.sentences.contains_key(&key) {
            key.1.clear();
        }
        if self.sentences.len() >= ENTRIES_MAX && !self.sentences.contains_key(&key) {
            return false;
        }
        let said = self.sentences.entry(key).or_insert(Said { since: now, shown: 0, left_out: 0 });
        if said.left_out == 0 && now >= said.since + WINDOW {
            (said.since, said.shown) = (now, 0);
        }
        // A window that is over and owes something begins anew when that was told, which is at once.
        if said.shown < BURST || now >= said.since + WINDOW {
            said.shown += 1;
            return true;
        }
        if said.left_out == 0 {
            self.owed += 1;
        }
        said.left_out += 1;
        false
    }

    fn take_owed(&mut self, now: Duration) -> Vec<(u64, String)> {
        if self.owed == 0 {
            return Vec::new();
        }
        let mut told = Vec::new();
        for ((_, sentence), said) in &mut self.sentences {
            if said.left_out > 0 && now >= said.since + WINDOW {
                told.push((std::mem::take(&mut said.left_out), sentence.clone()));
                (said.since, said.shown) = (now, 0);
                self.owed -= 1;
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use tracing::Metadata;
    use tracing::callsite::{Callsite, Identifier};
    use tracing::subscriber::Interest;

    use super::*;

    /// A place in the code.
    struct Place(u8);

    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    static HERE: Place = Place(1);
    static THERE: Place = Place(2);

    fn ask(limiter: &Limiter, place: &'static Place, sentence: &str, seconds: u64) -> Verdict {
        assert!(place.0 > 0);
        limiter.ask(Level::WARN, Identifier(place), sentence, Duration::from_secs(seconds))
    }

    fn shown() -> Verdict {
        Verdict { is_shown: true, left_out: Vec::new() }
    }

    #[test]
    fn repeats_are_counted_and_told_with_the_next_line() {
        let limiter = Limiter::default();
        for _ in 0..BURST {
            assert_eq!(ask(&limiter, &HERE, "No.", 0), shown());
        }
        for _ in 0..7 {
            assert_eq!(ask(&limiter, &HERE, "No.", 59), Verdict::default());
        }
        assert_eq!(ask(&limiter, &HERE, "Another.", 59), shown(), "each sentence has its own");
        assert_eq!(ask(&limiter, &THERE, "No.", 59), shown(), "and each place");
        let told = Verdict { is_shown: true, left_out: vec![(7, "No.".to_owned())] };
        assert_eq!(ask(&limiter, &THERE, "Later.", 60), told);
        assert_eq!(ask(&limiter, &THERE, "Later.", 60), shown(), "it is told once");
        assert_eq!(ask(&limiter, &HERE, "No.", 61), shown(), "and goes on from there");
    }

    #[test]
    fn a_sentence_tells_of_itself_what_was_left_out() {
        let limiter = Limiter::default();
        (0..BURST + 3).for_each(|_| drop(ask(&limiter, &HERE, "No.", 5)));
        let told = Verdict { is_shown: true, left_out: vec![(3, "No.".to_owned())] };
        assert_eq!(ask(&limiter, &HERE, "No.", 65), told);
    }

    #[test]
    fn a_slow_sentence_is_never_left_out() {
        let limiter = Limiter::default();
        for minute in 0..100 {
            assert_eq!(ask(&limiter, &HERE, "No.", minute * 60), shown());
        }
    }

    #[test]
    fn sentences_without_end_take_no_memory_without_end() {
        let limiter = Limiter::default();
        for number in 0..SENTENCES_MAX + 500 {
            ask(&limiter, &HERE, &number.to_string(), 0);
        }
        assert_eq!(limiter.0.lock().unwrap().sentences.len(), SENTENCES_MAX + 1);
        assert!(!ask(&limiter, &HERE, "One more.", 1).is_shown);
        assert!(ask(&limiter, &HERE, "One more.", 61).is_shown, "old ones go");
        assert!(limiter.0.lock().unwrap().sentences.len() < 10);
    }

    #[test]
    fn whoever_asked_for_more_gets_all_of_it() {
        let limiter = Limiter::default();
        for _ in 0..BURST * 2 {
            let verdict = limiter.ask(Level::DEBUG, Identifier(&HERE), "Inside.", Duration::ZERO);
            assert_eq!(verdict, shown());
        }
    }
}
