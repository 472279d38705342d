//! Reads the commands of training tools in a script, with their words, variables and environment.

use std::collections::VecDeque;

use shlex::Shlex;

use super::expand::{Value, Variables, assignment, expanded};
use super::program::{Command, base, command};
use super::statements::{Statement, statements};

/// Why a command cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::convert) struct Broken {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: &'static str,
}

/// Reads the commands of known tools in `script`, in order, with the variables that the script defines before them put
/// in. Also returns the lines that look like arguments but stand outside any command. Other statements are skipped, so
/// branches and loops are read as if they ran once, and so are functions and the scripts of `bash -c`.
///
/// # Errors
/// When a statement that names a known tool has a quote that is not closed, or a blank behind a `\` at the end of one of
/// its lines, where the shell ends the command.
pub(in crate::convert) fn commands(script: &str) -> Result<(Vec<Command>, Vec<usize>), Broken> {
    let mut variables = Variables::new();
    let mut exported: Vec<(String, String)> = Vec::new();
    let (mut found, mut strays) = (Vec::new(), Vec::new());
    let mut pending: VecDeque<Statement> = statements(script).into();
    while let Some(Statement { line, text, cut }) = pending.pop_front() {
        if let Some((name, words, more)) = list(&text, &mut variables) {
            let before = match variables.get(&name) {
                Some(Value::List(before)) if more => before.clone(),
                _ => Vec::new(),
            };
            variables.insert(name, Value::List([before, words].concat()));
            continue;
        }
        let Some(words) = split(line, &expanded(&text, &mut variables)) else {
            if looks_known(&text) {
                let advice = "close it, or give the command alone";
                return Err(Broken { line, problem: "a quote is not closed".to_owned(), advice });
            }
            continue;
        };
        let words = without_redirections(words);
        let mut words = words.as_slice();
        while let [(_, first), rest @ ..] = words {
            words = match first.as_str() {
                first if KEYWORDS.contains(&first) || first.ends_with("()") => rest,
                "function" => rest.get(1..).unwrap_or_default(),
                _ => break,
            };
        }
        let exports = matches!(words, [(_, first), ..] if ["export", "declare", "local", "readonly", "set"].contains(&first.as_str()));
        let assigned = words.iter().skip(usize::from(exports)).map_while(|(_, word)| assignment(word));
        let assigned: Vec<(String, String)> = assigned.collect();
        let rest = &words[(assigned.len() + usize::from(exports)).min(words.len())..];
        if rest.is_empty() || exports {
            for (name, value) in assigned {
                if exports {
                    exported.push((name.clone(), value.clone()));
                }
                let value = match variables.get(name.trim_end_matches('+')) {
                    Some(Value::Text(before)) if name.ends_with('+') => format!("{before}{value}"),
                    _ => value,
                };
                variables.insert(name.trim_end_matches('+').to_owned(), Value::Text(value));
            }
            continue;
        }
        if rest.first().is_some_and(|(_, word)| word.starts_with("--")) {
            strays.push(line);
            continue;
        }
        if let Some((start, inner)) = inner_script(rest) {
            exported.extend(assigned);
            for statement in statements(inner).into_iter().rev() {
                pending.push_front(Statement { line: statement.line + start - 1, ..statement });
            }
            continue;
        }
        let environment: Vec<(String, String)> = exported.iter().cloned().chain(assigned).collect();
        let command = command(line, rest, environment);
        if let (Some(command), Some(line)) = (&command, cut) {
            let problem = format!("a blank behind the `\\` ends `{}` in this line, as in the shell", command.name);
            return Err(Broken { line, problem, advice: "remove what stands behind the `\\`" });
        }
        found.extend(command);
    }
    Ok((found, strays))
}

/// Words that stand before a command and do not change it.
const KEYWORDS: &[&str] = &["then", "do", "else", "{", "(", "!", "eval"];

/// Script that a shell runs as an argument, as in `bash -c "swift sft"`, with its line.
fn inner_script(words: &[(usize, String)]) -> Option<(usize, &str)> {
    words.windows(3).find_map(|three| match three {
        [(_, shell), (_, option), (line, script)]
            if ["bash", "sh", "zsh"].contains(&base(shell)) && option.starts_with('-') && option.ends_with('c') =>
        {
            // The line of a word is the one in which it ends.
            Some((line.saturating_sub(script.matches('\n').count()).max(1), script.as_str()))
        }
        _ => None,
    })
}

/// Words of a statement, each with its line. None when a quote is not closed.
fn split(line: usize, text: &str) -> Option<Vec<(usize, String)>> {
    let mut lexer = Shlex::new(text);
    let mut words = Vec::new();
    while let Some(word) = lexer.next() {
        words.push((line + lexer.line_no.saturating_sub(1), word));
    }
    (!lexer.had_error).then_some(words)
}

/// Name and words of a list such as `ARGS=(--a b)`, and whether they are added to the list.
fn list(text: &str, variables: &mut Variables) -> Option<(String, Vec<String>, bool)> {
    let (name, rest) = text.trim().split_once('=')?;
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
    let (name, more) = match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    };
    assignment(&format!("{name}="))?;
    let words = shlex::split(&expanded(inner, variables))?;
    Some((name.to_owned(), words, more))
}

/// Words without `> FILE`, `2>&1` and the like.
fn without_redirections(words: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut target = false;
    for (line, word) in words {
        if std::mem::take(&mut target) {
            continue;
        }
        let plain = word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '&');
        if let Some(rest) = plain.strip_prefix('>').or_else(|| plain.strip_prefix('<')) {
            target = rest.trim_start_matches(['>', '<']).is_empty();
        } else {
            kept.push((line, word));
        }
    }
    kept
}

fn looks_known(text: &str) -> bool {
    let tools =
        ["swift", "megatron", "llamafactory", "trl", "axolotl", "accelerate", "torchrun", "deepspeed", "python"];
    tools.iter().any(|tool| text.split_whitespace().any(|word| word.ends_with(tool)))
}
