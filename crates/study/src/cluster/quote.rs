//! Quotes for the words of a script.

/// Quotes a word of an `#SBATCH` line, where Slurm reads double quotes and backslashes.
pub(super) fn batch_quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Quotes a word for a POSIX shell, where it needs quotes.
#[must_use]
pub fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a word needs no quotes in a shell, in YAML and on an `#SBATCH` line.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_with_blanks_and_quotes_reach_slurm_whole() {
        assert_eq!(super::batch_quoted("out/order/slurm-%a.out"), "out/order/slurm-%a.out");
        assert_eq!(super::batch_quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn words_with_blanks_and_quotes_reach_the_program_whole() {
        assert_eq!(super::quoted("recipes/study-order.toml"), "recipes/study-order.toml");
        assert_eq!(super::quoted("my study's.toml"), "'my study'\\''s.toml'");
        assert_eq!(super::quoted(""), "''");
    }
}
