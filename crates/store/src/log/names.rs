//! Which named records are there: per producer the newest number, and the ones just below it.

use std::collections::HashMap;

use super::{AppendError, Name};

/// How far behind its producer's newest number a retry may come.
pub const NAMES_WINDOW: u64 = 1024;

const WORDS: usize = (NAMES_WINDOW / 64) as usize;

/// The names that were placed. Bounded; the producer that was silent for longest goes first.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    producers: HashMap<u64, Window>,
    producers_max: usize,
    /// Counts placements, so that silence can be compared.
    moment: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) newest: u64,
    /// Bit `n % 1024` says whether number `n` is there, for the 1024 numbers up to `newest`.
    pub(crate) there: [u64; WORDS],
    pub(crate) moment: u64,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Already,
    Forgotten { newest: u64 },
}

impl Known {
    /// `Ok(true)` when it is there already.
    pub(crate) fn verdict(self, name: Name) -> Result<bool, AppendError> {
        match self {
            Self::New => Ok(false),
            Self::Already => Ok(true),
            Self::Forgotten { newest } => Err(AppendError::Forgotten { number: name.number, newest }),
        }
    }
}

impl Names {
    pub(crate) fn new(producers_max: usize) -> Self {
        Self { producers: HashMap::new(), producers_max: producers_max.max(1), moment: 0 }
    }

    pub(crate) fn look_up(&self, name: Name) -> Known {
        let Some(window) = self.producers.get(&name.producer) else { return Known::New };
        if name.number > window.newest {
            Known::New
        } else if window.newest - name.number >= NAMES_WINDOW {
            Known::Forgotten { newest: window.newest }
        } else if window.has(name.number) {
            Known::Already
        } else {
            Known::New
        }
    }

    /// The name's record is there. Names too old to be told apart change nothing.
    pub(crate) fn place(&mut self, name: Name) {
        self.moment += 1;
        let moment = self.moment;
        if let Some(window) = self.producers.get_mut(&name.producer) {
            window.moment = moment;
            window.place(name.number);
            return;
        }
        if self.producers.len() >= self.producers_max {
            self.forget_the_silent();
        }
        let mut window = Window { newest: name.number, there: [0; WORDS], moment };
        window.place(name.number);
        self.producers.insert(name.producer, window);
    }

    /// The name's record did not come about after all. The producer's newest number stays: a new
    /// try is told from a repetition all the same.
    pub(crate) fn take_back(&mut self, name: Name) {
        if let Some(window) = self.producers.get_mut(&name.producer)
            && window.newest >= name.number
            && window.newest - name.number < NAMES_WINDOW
        {
            window.set(name.number, false);
        }
    }

    /// An eighth at once, so that a stream of new producers does not search each time.
    fn forget_the_silent(&mut self) {
        let mut moments: Vec<u64> = self.producers.values().map(|window| window.moment).collect();
        let eighth = moments.len() / 8;
        let (_, last, _) = moments.select_nth_unstable(eighth);
        let last = *last;
        self.producers.retain(|_, window| window.moment > last);
    }

    /// From the longest silent to the latest, for a snapshot.
    pub(crate) fn snapshot(&self) -> Vec<(u64, &Window)> {
        let mut all: Vec<_> = self.producers.iter().map(|(id, window)| (*id, window)).collect();
        all.sort_unstable_by_key(|(_, window)| window.moment);
        all
    }

    /// Puts a producer of a snapshot back; in the order of the snapshot.
    pub(crate) fn restore(&mut self, producer: u64, newest: u64, there: [u64; WORDS]) {
        self.moment += 1;
        self.producers.insert(producer, Window { newest, there, moment: self.moment });
    }
}

impl Window {
    fn has(&self, number: u64) -> bool {
        let bit = number % NAMES_WINDOW;
        self.there[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    }

    fn place(&mut self, number: u64) {
        if number > self.newest {
            if number - self.newest >= NAMES_WINDOW {
                self.there = [0; WORDS];
            } else {
                (self.newest + 1..number).for_each(|between| self.set(between, false));
            }
            self.newest = number;
        } else if self.newest - number >= NAMES_WINDOW {
            return;
        }
        self.set(number, true);
    }

    fn set(&mut self, number: u64, there: bool) {
        let bit = number % NAMES_WINDOW;
        let (word, mask) = (&mut self.there[(bit / 64) as usize], 1 << (bit % 64));
        if there {
            *word |= mask;
        } else {
            *word &= !mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_is_a_set_of_the_last_numbers(steps in prop::collection::vec(0u64..3000, 1..400)) {
            let mut names = Names::new(4);
            let mut model = BTreeSet::new();
            for number in steps {
                let name = Name { producer: 7, number };
                let newest = model.last().copied();
                let expected = match newest {
                    Some(newest) if newest >= number && newest - number >= NAMES_WINDOW => Known::Forgotten { newest },
                    _ if model.contains(&number) => Known::Already,
                    _ => Known::New,
                };
                prop_assert_eq!(names.look_up(name), expected);
                if expected == Known::New {
                    names.place(name);
                    model.insert(number);
                }
            }
        }
    }

    #[test]
    fn the_longest_silent_producers_are_forgotten() {
        let mut names = Names::new(8);
        for producer in 0..8 {
            names.place(Name { producer, number: 1 });
        }
        names.place(Name { producer: 0, number: 2 });
        names.place(Name { producer: 8, number: 1 });
        let known = |producer| names.look_up(Name { producer, number: 1 }) == Known::Already;
        assert!(known(0) && known(8) && !known(1), "{names:?}");
        assert!(names.producers.len() <= 8);
        let mut again = Names::new(8);
        for (producer, window) in names.snapshot() {
            again.restore(producer, window.newest, window.there);
        }
        assert_eq!(again.look_up(Name { producer: 0, number: 2 }), Known::Already);
    }
}
