//! Markdown emphasis (`*word*`, `**word**`), which models put around answers. A star that emphasises nothing is a sign:
//! "T2*" is another sequence than "T2".

/// Most stars of one emphasis.
const MOST: usize = 3;

/// Returns the text without the stars of Markdown emphasis. An emphasis starts with one to three stars before a word
/// and ends with as many stars after a word. Emphasis within emphasis, and stars without a counterpart, are kept.
pub(super) fn removed(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut plain = String::with_capacity(text.len());
    // Whether the rest of the text has an end of an emphasis with so many stars. Found out at most once for each number,
    // so that the time is linear in the length of the text.
    let mut has_end = [true; MOST + 1];
    let mut place = 0;
    while place < characters.len() {
        let stars = run(&characters, place);
        if stars == 0 {
            plain.push(characters[place]);
            place += 1;
            continue;
        }
        let end = if opens(&characters, place, stars) && has_end[stars] {
            let found = end(&characters, place + stars, stars);
            has_end[stars] = found.is_some();
            found
        } else {
            None
        };
        match end {
            Some(end) => {
                plain.extend(&characters[place + stars..end]);
                place = end + stars;
            }
            None => {
                plain.extend(&characters[place..place + stars]);
                place += stars;
            }
        }
    }
    plain
}

/// Number of stars from `place` on.
fn run(characters: &[char], place: usize) -> usize {
    characters[place..].iter().take_while(|character| **character == '*').count()
}

fn opens(characters: &[char], place: usize, stars: usize) -> bool {
    let is_at_start = place.checked_sub(1).is_none_or(|before| !characters[before].is_alphanumeric());
    let is_before_word = characters.get(place + stars).is_some_and(|next| !next.is_whitespace());
    stars <= MOST && is_at_start && is_before_word
}

/// Place of the last `stars` stars of the first run from `place` on that has as many and stands after a word.
fn end(characters: &[char], mut place: usize, stars: usize) -> Option<usize> {
    while place < characters.len() {
        let found = run(characters, place);
        let after = place + found;
        let is_after_word = found > 0 && !characters[place - 1].is_whitespace();
        let is_at_end = characters.get(after).is_none_or(|next| !next.is_alphanumeric());
        if found >= stars && is_after_word && is_at_end {
            return Some(after - stars);
        }
        place += found.max(1);
    }
    None
}
