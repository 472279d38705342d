//! Files that should be JSON Lines and are something else as a whole, recognised by their start. One message about the
//! file takes the place of one message about every line.

use serde::de::IgnoredAny;

use crate::io::encoding::other_kind;

/// Returns what a file is instead of JSON Lines, as the end of a sentence about it, and advice: another encoding, a
/// JSON array, JSON over several lines, or a table. `start` holds the first bytes of the file, at best some kilobytes.
/// None where the file may be JSON Lines.
#[must_use]
pub fn other_format(start: &[u8]) -> Option<(String, &'static str)> {
    if let Some(kind) = other_kind(start) {
        return Some((format!("is {kind}, not UTF-8 text"), "save it as UTF-8 text with one JSON object on each line"));
    }
    let valid = std::str::from_utf8(start).map_or_else(|error| error.valid_up_to(), |_| start.len());
    let text = std::str::from_utf8(&start[..valid]).unwrap_or_default().trim_start_matches('\u{FEFF}');
    let text = text.trim_start();
    if text.starts_with('[') {
        let advice = "write one object on each line, for example with `jq -c '.[]' FILE`";
        return Some(("is a JSON array, not JSON Lines".to_owned(), advice));
    }
    let (first, rest) = text.split_once('\n')?;
    let next = rest.lines().find(|line| !line.trim().is_empty())?;
    if text.starts_with('{') {
        let is_cut = serde_json::from_str::<IgnoredAny>(first).is_err_and(|error| error.is_eof());
        let advice = "write each object on one line, for example with `jq -c . FILE`";
        // A whole object at the start of the next line means that only this line is cut off.
        let goes_on = is_cut && !next.starts_with('{');
        return goes_on.then(|| ("is JSON over several lines, not JSON Lines".to_owned(), advice));
    }
    let is_table = |separator: char| {
        let columns = first.matches(separator).count();
        columns > 0 && next.matches(separator).count() >= columns && !first.contains('{')
    };
    let name = [(',', "comma"), ('\t', "tab"), (';', "semicolon")].into_iter().find(|(sign, _)| is_table(*sign))?.1;
    let advice = "write one JSON object on each line";
    Some((format!("is a table with {name}-separated columns, not JSON Lines"), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_files_of_another_format_are_named() {
        let utf16: Vec<u8> = "{\"a\": 1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (start, what) in [
            (b"[\n  {\n    \"a\": 1\n  }\n]".as_slice(), "is a JSON array"),
            (b"\xEF\xBB\xBF [{\"a\":1},{\"a\":2}]", "is a JSON array"),
            (b"{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n", "is JSON over several lines"),
            (b"{\"cases\": [\n  {\"a\": 1}\n]}", "is JSON over several lines"),
            (b"\n{\r\n\t\"a\": 1\r\n}", "is JSON over several lines"),
            (b"case_id,question\nc1,What?\n", "is a table with comma-separated columns"),
            (b"case_id\tquestion\r\nc1\tWhat?", "is a table with tab-separated columns"),
            (b"case_id;question\nc1;\"{x}\"", "is a table with semicolon-separated columns"),
            (&utf16, "is UTF-16, not UTF-8 text"),
            (b"\x1F\x8B\x08\0", "is compressed by gzip, not UTF-8 text"),
            (b"\x89PNG\xff", "is a PNG image, not UTF-8 text"),
        ] {
            let (said, advice) = other_format(start).expect(what);
            assert!(
                said.starts_with(what) && advice.contains("on each line") || advice.contains("on one line"),
                "{said}"
            );
        }
        if let Some((said, _)) = other_format(b"{\"cases\": [\n{\"a\": 1}\n]}") {
            panic!("a line that is cut off, before a whole one: {said}");
        }
        for start in [
            b"".as_slice(),
            b"{\"a\": 1}\n{\"a\": 2}\n",
            b"{\"a\": 1}",
            b"{\"a\": \n{\"a\": 2}",
            b"\xEF\xBB\xBF{\"a\": 1}\r\n\r\n",
            b"{\"a\": ]\n\"b\"",
            b"words, and more words",
            b"\x88\xff",
        ] {
            assert_eq!(other_format(start), None, "{}", String::from_utf8_lossy(start));
        }
    }
}
