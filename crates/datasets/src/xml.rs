//! XML annotations, with a limit on how deep elements are nested.

use roxmltree::Document;

/// Most elements in each other. The parser calls itself for each one, and annotations have four.
const DEEPEST: usize = 64;

/// Parses an XML document without entities of its own.
///
/// # Errors
/// What is wrong with the text, and its line, counted from 1.
pub(super) fn parse(text: &str) -> Result<Document<'_>, (String, usize)> {
    if let Some(at) = too_deep(text) {
        let line = text[..at].matches('\n').count() + 1;
        return Err((format!("has more than {DEEPEST} elements in each other"), line));
    }
    Document::parse(text).map_err(|error| (format!("is not XML: {error}"), error.pos().row as usize))
}

/// Returns the place of the first element that lies too deep; None without one. Texts that are not XML have any answer.
fn too_deep(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(start) = text[at..].find('<').map(|found| at + found) {
        let rest = &text[start..];
        // The end of a comment is not looked for in its beginning, as in `<!-->`.
        let after = |begin: &str, end: &str| {
            let from = begin.len();
            rest[from..].find(end).map_or(text.len(), |found| start + from + found + end.len())
        };
        at = if rest.starts_with("<!--") {
            after("<!--", "-->")
        } else if rest.starts_with("<![CDATA[") {
            after("<![CDATA[", "]]>")
        } else if rest.starts_with("<?") {
            after("<?", "?>")
        } else if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
            after("</", ">")
        } else {
            let length = tag(rest);
            depth += usize::from(!rest[..length].ends_with("/>"));
            if depth > DEEPEST {
                return Some(start);
            }
            start + length
        };
    }
    None
}

/// Returns the length of a tag at the start of a text, up to its `>` outside quotes.
fn tag(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_documents_are_refused_with_their_line() {
        let nested = |depth: usize| format!("{}{}", "<a>\n".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&nested(DEEPEST)).is_ok());
        assert_eq!(parse(&nested(DEEPEST + 1)).expect_err("too deep").1, DEEPEST + 1);
        // Nothing here ends a tag, and no element is open.
        let flat = "<r><!-- <a><a> --><![CDATA[<a>]]><?p <a>?><b c='/>'></b></r>".to_owned();
        assert!(parse(&flat).is_ok());
        for open in [
            "<a><!--></a>-->",
            "<a b='/>'>",
            "<a b=\"/>\">",
            "<a b='\"/>'>",
            "<a><!-- </a> -->",
            "<a><![CDATA[</a>]]>",
            "<a><?p </a>?>",
        ] {
            assert!(parse(&open.repeat(20_000)).expect_err("too deep").0.contains("in each other"), "{open}");
        }
        assert_eq!(parse("<a>\n<b></a>").expect_err("no XML").1, 2);
    }
}
