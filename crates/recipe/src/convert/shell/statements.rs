//! Splits a script into statements: at line ends, `;`, `&&`, `||`, `|` and `&` outside quotes.

/// A statement of a script, with its quotes and continued lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Line of its first character, counted from 1.
    pub line: usize,
    /// Text of the statement, without comments.
    pub text: String,
    /// Line in which the statement ends because a blank stands behind its last `\`. None where no such line is and
    /// where it is the last one of the script.
    pub cut: Option<usize>,
}

/// State of the characters that were read.
#[derive(Default)]
struct Reader {
    single: bool,
    double: bool,
    /// Depth of open `(`, in `$(...)`, `((...))` and lists.
    open: usize,
    ticks: bool,
    comment: bool,
}

impl Reader {
    fn quoted(&self) -> bool {
        self.single || self.double || self.open > 0 || self.ticks
    }
}

/// Splits `script` into statements and drops the comments outside quotes. Empty statements are left out; a quote or
/// bracket that is never closed makes the rest of the script one statement.
pub(super) fn statements(script: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let (mut state, mut text, mut line, mut start) = (Reader::default(), String::new(), 1, 1);
    let mut letters = script.chars().peekable();
    let mut before = '\n';
    let mut end = |text: &mut String, start: usize, cut: Option<usize>| {
        if !text.trim().is_empty() {
            found.push(Statement { line: start, text: std::mem::take(text), cut });
        }
        text.clear();
    };
    let mut cut = None;
    while let Some(letter) = letters.next() {
        if letter == '\n' {
            line += 1;
        }
        if state.comment && letter != '\n' {
            continue;
        }
        state.comment = false;
        if text.trim().is_empty() {
            start = line;
        }
        match letter {
            '\\' if !state.single => {
                let mut next = letters.next();
                if next == Some('\r') && letters.peek() == Some(&'\n') {
                    next = letters.next();
                }
                if !state.quoted() && next.is_some_and(blank) && rest_is_blank(letters.clone()) {
                    cut = Some(line);
                }
                match next {
                    // A continued line: its end divides words.
                    Some('\n') if !state.double => text.push('\n'),
                    Some(next) => text.extend([letter, next]),
                    None => {}
                }
                line += usize::from(next == Some('\n'));
                before = ' ';
                continue;
            }
            '\'' if !state.double => state.single = !state.single,
            '"' if !state.single => state.double = !state.double,
            '`' if !state.single => state.ticks = !state.ticks,
            '(' if !state.single && !state.double => state.open += 1,
            ')' if !state.single && !state.double => state.open = state.open.saturating_sub(1),
            '#' if !state.single && !state.double && (before.is_whitespace() || before == ';') => {
                state.comment = true;
                continue;
            }
            '\n' | ';' if !state.quoted() => {
                end(&mut text, start, cut.take());
                before = letter;
                continue;
            }
            '|' | '&' if !state.quoted() && !(letter == '&' && (before == '>' || letters.peek() == Some(&'>'))) => {
                end(&mut text, start, cut.take());
                before = letter;
                continue;
            }
            _ => {}
        }
        text.push(letter);
        before = letter;
    }
    end(&mut text, start, None);
    found
}

fn blank(letter: char) -> bool {
    letter.is_whitespace() && letter != '\n'
}

/// Whether nothing but blanks or a comment stands in the rest of the line, and another line follows.
fn rest_is_blank(letters: impl Iterator<Item = char>) -> bool {
    let mut letters = letters.skip_while(|letter| blank(*letter));
    match letters.next() {
        Some('\n') => true,
        Some('#') => letters.any(|letter| letter == '\n'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_continuations_and_comments() {
        let script =
            "# a; b\nA='x;\ny' # end\nswift sft \\\n  --a \"b | c\" \\\n --d $(expr 1 / 2) 2>&1 | tee log && echo ok\n";
        let found: Vec<(usize, String)> = statements(script)
            .into_iter()
            .map(|statement| (statement.line, statement.text.trim().to_owned()))
            .collect();
        let wanted = [
            (2, "A='x;\ny'"),
            (4, "swift sft \n  --a \"b | c\" \n --d $(expr 1 / 2) 2>&1"),
            (6, "tee log"),
            (6, "echo ok"),
        ];
        assert_eq!(found, wanted.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn blanks_behind_a_backslash_end_the_statement() {
        for (script, wanted) in [
            ("a \\ \n--b\n", Some(1)),
            ("a \\\n--b \\\t \r\n--c\n", Some(2)),
            ("a \\\u{a0}\n--b\n", Some(1)),
            ("a \\ # remark\n--b\n", Some(1)),
            ("a \\\n--b\n", None),
            ("a \\\r\n--b\n", None),
            ("a my\\ file\n", None),
            ("a 'x \\ \n y'\n", None),
            ("a \\ ", None),
        ] {
            assert_eq!(statements(script)[0].cut, wanted, "{script:?}");
        }
    }
}
