//! Puts values in place of variables and of simple sums.

use std::collections::BTreeMap;

/// Values of the variables that a script defines, by name.
pub(super) type Variables = BTreeMap<String, Value>;

/// Value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A list, as in `ARGS=(--a b)`.
    List(Vec<String>),
}

impl Value {
    /// Returns the text, or the words of a list between spaces.
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(words) => words.join(" "),
        }
    }
}

/// Name and value of a word `NAME=VALUE` or `NAME+=VALUE`; the name keeps its `+`. None for other words.
pub(super) fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let plain = name.trim_end_matches('+');
    let valid = !plain.is_empty()
        && !plain.starts_with(|first: char| first.is_ascii_digit())
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    valid.then(|| (name.to_owned(), value.to_owned()))
}

/// Longest text after expansion, in bytes, so that a script cannot fill the memory.
const MOST: usize = 1 << 20;

/// Longest text of one variable, sum or list, in characters, and deepest nesting, so that a hostile script takes no time.
const LONGEST: usize = 4096;
const DEEPEST: usize = 4;

/// Replaces `$NAME`, `${NAME}`, `"${NAME[@]}"`, `$((1 + 2))` and `$(expr 1 + 2)` in a statement by their values, except
/// inside single quotes, and so `${NAME:-word}`, `${NAME:=word}`, which also sets the variable in `variables`,
/// `${NAME:+word}` and `${NAME:?word}`, each also without the colon. Quotes stay. Variables without a value, other commands and expressions
/// nested more than four deep stay as they are. Text beyond about 1 MiB of the result is cut off, so that a script
/// cannot fill the memory.
pub(super) fn expanded(text: &str, variables: &mut Variables) -> String {
    nested(text, variables, 0)
}

fn nested(text: &str, variables: &mut Variables, depth: usize) -> String {
    if depth > DEEPEST {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (String::new(), 0);
    let (mut single, mut double) = (false, false);
    while at < letters.len() && found.len() < MOST {
        match letters[at] {
            '\\' if !single => {
                found.extend(&letters[at..(at + 2).min(letters.len())]);
                at += 2;
                continue;
            }
            '\'' if !double => single = !single,
            '"' if !single => {
                if let Some((words, next)) = list(&letters, at, variables) {
                    found.push_str(&words);
                    at = next;
                    continue;
                }
                double = !double;
            }
            '$' if !single => {
                if let Some((value, next)) = value(&letters, at, variables, depth) {
                    found.push_str(&protected(&value, double));
                    at = next;
                    continue;
                }
            }
            _ => {}
        }
        found.push(letters[at]);
        at += 1;
    }
    found
}

/// The words of `"${NAME[@]}"` at `at`, quoted, and the position behind it.
fn list(letters: &[char], at: usize, variables: &Variables) -> Option<(String, usize)> {
    let end = (at + 1..letters.len().min(at + LONGEST)).find(|index| letters[*index] == '"')?;
    let inner: String = letters[at + 1..end].iter().collect();
    let name =
        inner.strip_prefix("${")?.strip_suffix("[@]}").or_else(|| inner.strip_prefix("${")?.strip_suffix("[*]}"))?;
    match variables.get(name)? {
        Value::List(words) => Some((quoted(words), end + 1)),
        Value::Text(text) => Some((quoted(std::slice::from_ref(text)), end + 1)),
    }
}

fn quoted(words: &[String]) -> String {
    let quoted = words.iter().filter_map(|word| shlex::try_quote(word).ok());
    quoted.collect::<Vec<_>>().join(" ")
}

/// The value of the variable or sum that begins with `$` at `at`, and the position behind it. None when it has none.
fn value(letters: &[char], at: usize, variables: &mut Variables, depth: usize) -> Option<(String, usize)> {
    match letters.get(at + 1)? {
        '(' => {
            let end = closing(letters, at + 1, ('(', ')'))?;
            let inner: String = letters[at + 2..end].iter().collect();
            let inner = nested(&inner, variables, depth + 1);
            let sum = match inner.trim().strip_prefix('(').and_then(|sum| sum.strip_suffix(')')) {
                Some(sum) => named(sum, variables),
                None => inner.trim().strip_prefix("expr ")?.to_owned(),
            };
            Some((arithmetic(&sum)?.to_string(), end + 1))
        }
        '{' => {
            let end = closing(letters, at + 1, ('{', '}'))?;
            let inner: String = letters[at + 2..end].iter().collect();
            Some((parameter(&inner, variables, depth)?, end + 1))
        }
        letter if is_name(*letter) && !letter.is_ascii_digit() => {
            let name: String = letters[at + 1..].iter().take_while(|letter| is_name(**letter)).collect();
            let value = variables.get(&name).map(Value::text)?;
            Some((value, at + 1 + name.chars().count()))
        }
        _ => None,
    }
}

/// The value of `${inner}`. None when it has none or the operator is not read, as in `${NAME%.*}`.
fn parameter(inner: &str, variables: &mut Variables, depth: usize) -> Option<String> {
    let name: String = inner.chars().take_while(|letter| is_name(*letter)).collect();
    let rest = &inner[name.len()..];
    let found = variables.get(&name).map(Value::text);
    if ["", "[@]", "[*]"].contains(&rest) {
        return found;
    }
    let (found, rest) = match rest.strip_prefix(':') {
        Some(rest) => (found.filter(|value| !value.is_empty()), rest),
        None => (found, rest),
    };
    let operator = rest.chars().next().filter(|_| !name.is_empty())?;
    let mut word = || nested(&rest[1..], variables, depth + 1).trim_matches('"').to_owned();
    match (operator, found) {
        ('-' | '=' | '?', Some(value)) => Some(value),
        ('-', None) | ('+', Some(_)) => Some(word()),
        ('+', None) => Some(String::new()),
        ('=', None) => {
            let word = word();
            variables.insert(name, Value::Text(word.clone()));
            Some(word)
        }
        _ => None,
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Position of the bracket that closes the one at `at`; `pair` holds both kinds.
fn closing(letters: &[char], at: usize, pair: (char, char)) -> Option<usize> {
    let mut open = 0_usize;
    for (index, letter) in letters.iter().enumerate().skip(at).take(LONGEST) {
        if *letter == pair.0 {
            open += 1;
        } else if *letter == pair.1 {
            open = open.saturating_sub(1);
            if open == 0 {
                return Some(index);
            }
        }
    }
    None
}

/// A value inside a statement, so that only blanks outside of quotes divide it into words.
fn protected(value: &str, double: bool) -> String {
    let special: &[char] = if double { &['"', '\\', '`'] } else { &['"', '\'', '\\', '#', '`'] };
    let mut found = String::new();
    for letter in value.chars() {
        if special.contains(&letter) {
            found.push('\\');
        }
        found.push(letter);
    }
    found
}

/// A sum in which names of variables without `$` are replaced.
fn named(sum: &str, variables: &Variables) -> String {
    let mut found = String::new();
    let mut name = String::new();
    for letter in sum.chars().chain([' ']) {
        if is_name(letter) {
            name.push(letter);
            continue;
        }
        match variables.get(&name) {
            Some(Value::Text(value)) => found.push_str(value),
            _ => found.push_str(&name),
        }
        name.clear();
        found.push(letter);
    }
    found
}

/// The value of a sum of whole numbers with `+ - * / %`; products first. None for anything else.
fn arithmetic(sum: &str) -> Option<i64> {
    let mut tokens: Vec<String> = Vec::new();
    for letter in sum.chars().filter(|letter| *letter != '\\' && *letter != '\'' && *letter != '"') {
        match letter {
            '+' | '-' | '*' | '/' | '%' => tokens.push(letter.to_string()),
            letter if letter.is_ascii_digit() => {
                match tokens.last_mut().filter(|token| token.ends_with(|last: char| last.is_ascii_digit())) {
                    Some(number) => number.push(letter),
                    None => tokens.push(letter.to_string()),
                }
            }
            ' ' | '\t' | '\n' => tokens.push(String::new()),
            _ => return None,
        }
    }
    let mut tokens = tokens.into_iter().filter(|token| !token.is_empty());
    let mut sum = 0_i64;
    let mut product: i64 = tokens.next()?.parse().ok()?;
    while let Some(operator) = tokens.next() {
        let number: i64 = tokens.next()?.parse().ok()?;
        match operator.as_str() {
            "*" => product = product.checked_mul(number)?,
            "/" => product = product.checked_div(number)?,
            "%" => product = product.checked_rem(number)?,
            "+" => (sum, product) = (sum.checked_add(product)?, number),
            "-" => (sum, product) = (sum.checked_add(product)?, number.checked_neg()?),
            _ => return None,
        }
    }
    sum.checked_add(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_lists_and_sums() {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut variables = Variables::from([
            ("N".to_owned(), text("4")),
            ("DIR".to_owned(), text("a b")),
            ("ARGS".to_owned(), Value::List(vec!["--a".to_owned(), "b c".to_owned()])),
        ]);
        for (written, wanted) in [
            ("$N '$N' \"$N\" ${N}x", "4 '$N' \"4\" 4x"),
            ("\"${ARGS[@]}\"", "--a 'b c'"),
            ("$(expr 16 / $N) $((16/N + 1)) $((2 * (3)))", "4 5 $((2 * (3)))"),
            ("${M:-7} ${N:-7} $M ${M} \\$N", "7 4 $M ${M} \\$N"),
            ("${N:=7} ${N-7} ${N+7} ${N:?none} ${L+7}${L:+7}", "4 4 7 4 "),
            ("${M:?none} ${N%.*} ${N:0:1} ${N/4/5} ${#N}", "${M:?none} ${N%.*} ${N:0:1} ${N/4/5} ${#N}"),
            ("${A:=2} $A ${B=$N} ${B} ${C:-${D:=${N}}} $D", "2 2 4 4 4 4"),
            ("\"${E:=a b}\" $E", "\"a b\" a b"),
            ("$(date) `date` $((1/0)) $", "$(date) `date` $((1/0)) $"),
        ] {
            assert_eq!(expanded(written, &mut variables), wanted, "{written}");
        }
    }
}
