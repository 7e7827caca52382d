//! A fixed run of mutations over the corpora: the parsers may refuse, never panic, and what they accept
//! must survive its own written form.

use std::fs;
use std::path::Path;

use skerry_tokens::{Claim, ConnectionString, ModuleRule, SasToken, covers};

const RUNS: usize = 20_000;
const PIECES: [&str; 14] = [
    "&",
    "=",
    ";",
    "%",
    "%2F",
    "sr=",
    "&se=",
    "SharedAccessSignature ",
    "HostName=",
    "Endpoint=sb://",
    "\0",
    "é",
    "[::1]:",
    "9",
];

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap()
    }
}

fn corpus(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the corpus is missing");
    paths.iter().map(|path| fs::read_to_string(path).unwrap().trim_end().to_owned()).collect()
}

fn mutate(random: &mut XorShift, seeds: &[String]) -> String {
    let mut bytes = seeds[random.below(seeds.len())].clone().into_bytes();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            4 => {
                let other = seeds[random.below(seeds.len())].as_bytes();
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn mutated_tokens_are_refused_or_survive_their_text() {
    let (seeds, mut random, mut accepted) = (corpus("token"), XorShift(0x5eed_0001), 0);
    for _ in 0..RUNS {
        let text = mutate(&mut random, &seeds);
        match SasToken::parse(&text) {
            Ok(token) => {
                assert_eq!(SasToken::parse(&token.reveal()).as_ref(), Ok(&token), "{text:?}");
                let _ = covers(
                    token.resource(),
                    &["hub1.iot.test"],
                    Claim::Module("dev-1", "m"),
                    ModuleRule::OwnTokenOnly,
                );
                accepted += 1;
            }
            Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
        }
    }
    assert!(accepted > RUNS / 100 && accepted < RUNS, "{accepted} accepted: the mutations miss their mark");
}

#[test]
fn mutated_connection_strings_are_refused_or_survive_their_text() {
    let (seeds, mut random, mut accepted) = (corpus("connection"), XorShift(0x5eed_0002), 0);
    for _ in 0..RUNS {
        let text = mutate(&mut random, &seeds);
        match text.parse::<ConnectionString>() {
            Ok(read) => {
                assert_eq!(read.reveal().parse::<ConnectionString>().as_ref(), Ok(&read), "{text:?}");
                accepted += 1;
            }
            Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
        }
    }
    assert!(accepted > RUNS / 100 && accepted < RUNS, "{accepted} accepted: the mutations miss their mark");
}
