//! Primes that are typed as quotes: "5'" for 5 feet or minutes, "5\"" for 5 inches or seconds, "3' UTR" in genetics.

/// Returns the text with each prime typed as quotes replaced by `′` or `″`.
///
/// A quote is a prime when it follows a digit and closes no quotation: "5\"" is five inches, but "\"5\"" is a quoted
/// five. Two single quotes or two primes after a digit are one double prime. The apostrophe of "1990's" stays.
pub(super) fn unified(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = |place: usize| characters.get(place).copied();
    let mut unified = String::with_capacity(text.len());
    // Whether a quotation in single and in double quotes is open.
    let mut open = [false; 2];
    let mut before = None;
    let mut place = 0;
    while let Some(character) = at(place) {
        let (next, after) = (at(place + 1), at(place + 2));
        let follows_digit = before.is_some_and(|before: char| before.is_ascii_digit());
        let mut length = 1;
        let kind = quote(character);
        if character == '′' && next == Some('′') {
            unified.push('″');
            length = 2;
        } else if let Some(kind) = kind {
            let is_double = kind == Quote::Double;
            let is_open = &mut open[usize::from(is_double)];
            let is_pair = !is_double && next.and_then(quote) == Some(Quote::Single);
            if starts_phrase(before) {
                *is_open = next.is_some_and(|next| !next.is_whitespace());
                unified.push(character);
            } else if !is_double && is_apostrophe(before, next, after) {
                unified.push(character);
            } else if *is_open {
                *is_open = false;
                unified.push(character);
            } else if follows_digit && may_be_prime(character) {
                unified.push(if is_double || is_pair { '″' } else { '′' });
                length = if is_pair { 2 } else { 1 };
            } else {
                unified.push(character);
            }
        } else {
            unified.push(character);
        }
        place += length;
        before = at(place - 1);
    }
    unified
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
}

/// Kind of a quote; None for other characters.
fn quote(character: char) -> Option<Quote> {
    match character {
        '\'' | '`' | '\u{B4}' | '\u{2018}'..='\u{201B}' => Some(Quote::Single),
        '"' | '\u{201C}'..='\u{201F}' => Some(Quote::Double),
        _ => None,
    }
}

/// Returns whether a quote is one that keyboards and word processors write for a prime.
fn may_be_prime(quote: char) -> bool {
    matches!(quote, '\'' | '\u{B4}' | '\u{2019}' | '"' | '\u{201D}')
}

/// Returns whether a quote after `before` starts a quotation; None is the start of the text.
fn starts_phrase(before: Option<char>) -> bool {
    before.is_none_or(|before| before.is_whitespace() || quote(before).is_some() || "([{-/*:,".contains(before))
}

/// Returns whether a single quote between `before` and the two characters `next` and `after` is an apostrophe, as in
/// "Crohn's" and "1990's".
fn is_apostrophe(before: Option<char>, next: Option<char>, after: Option<char>) -> bool {
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphabetic);
    let is_genitive =
        next.is_some_and(|next| next.eq_ignore_ascii_case(&'s')) && !after.is_some_and(char::is_alphanumeric);
    is_letter(next) && (is_letter(before) || is_genitive)
}
