//! OmniMedVQA (Multi-Modality-Arena, `MedicalEval/Question-answering_Score/utils/medicalqa.py` at bd2999a): a
//! response to a choice counts as the option most similar to it by Python's `difflib.SequenceMatcher`. Every
//! response is therefore an answer, and a letter counts as the option whose spelling is most similar to it. The rule
//! ignores a fifth option. A response without a single shared character raises an exception that is swallowed, and
//! counts as wrong.
//!
//! Questions whose inference raised an exception are swallowed too and leave the denominator; stored responses do not
//! show which questions these were.

use std::collections::HashMap;

use super::rule::{Asks, PublishedRule, Reading, Scored};

/// Rule of OmniMedVQA for choices: a response counts as the option whose spelling is most similar to it.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "omnimedvqa",
    source: "OmniMedVQA, Multi-Modality-Arena utils/medicalqa.py @bd2999a",
    fault: "the option spelt most like the response is taken, whatever the response means",
    asks: Asks::Choice,
    score,
};

/// Number of options that the rule considers: A to D.
const OPTIONS: usize = 4;

fn score(readings: &[Reading<'_>]) -> Scored {
    Scored::all(readings, |reading| {
        let mut best = (0.0, None);
        for (place, option) in reading.options.iter().take(OPTIONS).enumerate() {
            let ratio = similarity(option, reading.reply);
            if ratio > best.0 {
                best = (ratio, Some(place));
            }
        }
        best.1 == Some(reading.gold)
    })
}

/// `SequenceMatcher(None, a, b).ratio()`: twice the number of characters in matching blocks over the number of all
/// characters. The longest common block is matched first, then the parts left and right of it in turn (Ratcliff and
/// Metzener, 1988).
fn similarity(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let mut places: HashMap<char, Vec<usize>> = HashMap::new();
    for (place, &character) in b.iter().enumerate() {
        places.entry(character).or_default().push(place);
    }
    // In sequences of 200 or more, `difflib` leaves out elements above one percent as too popular.
    if b.len() >= 200 {
        let most = b.len() / 100 + 1;
        places.retain(|_, places| places.len() <= most);
    }
    let mut matched = 0;
    let mut open = vec![(0, a.len(), 0, b.len())];
    while let Some((a0, a1, b0, b1)) = open.pop() {
        let (at_a, at_b, size) = longest(&a, &b, &places, (a0, a1, b0, b1));
        if size > 0 {
            matched += size;
            open.extend([(a0, at_a, b0, at_b), (at_a + size, a1, at_b + size, b1)]);
        }
    }
    2.0 * matched as f64 / (a.len() + b.len()) as f64
}

/// Longest common block within `a[a0..a1]` and `b[b0..b1]`, the first in `a` and then in `b` among equals, extended
/// over popular characters at its ends: `(position in a, position in b, size)`.
fn longest(
    a: &[char],
    b: &[char],
    places: &HashMap<char, Vec<usize>>,
    (a0, a1, b0, b1): (usize, usize, usize, usize),
) -> (usize, usize, usize) {
    let mut best = (a0, b0, 0);
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for (i, character) in a.iter().enumerate().take(a1).skip(a0) {
        let mut here = HashMap::new();
        for &j in places.get(character).into_iter().flatten().filter(|j| (b0..b1).contains(*j)) {
            let size = 1 + j.checked_sub(1).and_then(|before| ending.get(&before)).copied().unwrap_or(0);
            here.insert(j, size);
            if size > best.2 {
                best = (i + 1 - size, j + 1 - size, size);
            }
        }
        ending = here;
    }
    while best.0 > a0 && best.1 > b0 && a[best.0 - 1] == b[best.1 - 1] {
        best = (best.0 - 1, best.1 - 1, best.2 + 1);
    }
    while best.0 + best.2 < a1 && best.1 + best.2 < b1 && a[best.0 + best.2] == b[best.1 + best.2] {
        best.2 += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::rule::tests::outcome;
    use crate::score::Verdict;

    #[test]
    fn ratios_are_those_of_difflib() {
        // Printed by Python 3: difflib.SequenceMatcher(None, a, b).ratio()
        for (a, b, ratio) in [
            ("MRI", "This is an MRI".to_owned(), 0.35294117647058826),
            ("CT", "computed tomography".to_owned(), 0.0),
            ("lung nodule", "nodule in the left lung".to_owned(), 0.35294117647058826),
            ("abcd", "bcde".to_owned(), 0.75),
            ("", "".to_owned(), 1.0),
            ("x", "".to_owned(), 0.0),
            ("carcinoma", "C. carcinoma of the breast".to_owned(), 0.5142857142857142),
            ("tide diet", "diet tide".to_owned(), 0.4444444444444444),
            ("a long option here", "a ".repeat(120), 0.015503875968992248),
            ("the lesion", "the lesion is ".repeat(20), 0.06896551724137931),
        ] {
            assert!((similarity(a, &b) - ratio).abs() < 1e-12, "{a} {b}: {} {ratio}", similarity(a, &b));
        }
    }

    #[test]
    fn a_letter_is_taken_for_the_option_it_is_spelt_in() {
        let outcome = outcome(Verdict::Right);
        let reading = |reply, options: &[&str], gold| Reading {
            outcome: &outcome,
            reply,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            gold,
            inserted: String::new(),
        };
        let options = ["MRI", "CT", "X-ray", "Angiography", "other"];
        let scored = score(&[
            reading("CT", &options, 1),
            // The letter of the fourth option is found in the spelling of none, that of the third in CT.
            reading("D", &options, 3),
            reading("C", &options, 2),
            // The fifth option does not exist.
            reading("other", &options, 4),
        ]);
        assert_eq!((scored.right, scored.n), (1, 4));
    }
}
