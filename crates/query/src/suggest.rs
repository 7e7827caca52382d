//! "Did you mean": the nearest of a few known words.

/// The candidate that differs least from `word`, if it is close enough to be a slip.
///
/// The case is ignored. Words longer than any candidate could be are not compared.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const WORD_BYTES_MAX: usize = 32;
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = word.to_ascii_uppercase();
    let allowed = 1 + word.len() / 5;
    candidates
        .into_iter()
        .map(|candidate| (distance(word.as_bytes(), candidate.to_ascii_uppercase().as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["LENGTH", "LOWER", "STARTS_WITH"];
        assert_eq!(nearest("lenght", words), Some("LENGTH"));
        assert_eq!(nearest("START_WITH", words), Some("STARTS_WITH"));
        assert_eq!(nearest("regexmatch", words), None);
    }
}
