//! Converts text and numbers to markup: escaping and number formats.

use stepwise_benchmark::summary::Estimate;

/// Returns `text` escaped for element content and attribute values. Control characters (but not line feed and tab) and
/// characters that change the text direction become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns `text` escaped as by [`escape`]. A text without spaces, such as an id, may break after `_` and `:`.
pub fn breakable(text: &str) -> String {
    let escaped = escape(text);
    if text.contains(' ') { escaped } else { escaped.replace('_', "_<wbr>").replace(':', ":<wbr>") }
}

/// Returns `text` with its first letter in upper case; an empty text stays empty.
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Formats a count with its noun, which gets an `s` unless the count is 1: `3 items`, `1 item`.
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Formats a share of 1 as percent with one decimal, such as `43.2 %`, with a minus sign U+2212.
pub fn percent(value: f64) -> String {
    format!("{}\u{202f}%", number(value * 100.0))
}

/// Formats a difference of shares as percentage points with one decimal, such as `+3.1`, with a minus sign U+2212. A
/// difference that rounds to zero has no sign.
pub fn points(value: f64) -> String {
    let text = number(value * 100.0);
    if text.starts_with('\u{2212}') || text == "0.0" { text } else { format!("+{text}") }
}

/// Formats with one decimal, a minus sign U+2212 and no negative zero.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Formats a p-value, 0 to 1, as `0.012` or, below 0.001, as `< 0.001`, as markup.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "&lt;\u{202f}0.001".to_owned() } else { format!("{p:.3}") }
}

/// Formats a number with two decimals and a minus sign U+2212. A number that rounds to zero has no sign.
pub fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Formats a number of any size with four significant digits and a minus sign U+2212: `0.6241`, `2.500e-4`.
pub fn digits(value: f64) -> String {
    let text = if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        let decimals = 3 - value.abs().max(1e-3).log10().floor() as i32;
        format!("{value:.*}", decimals.clamp(0, 6) as usize)
    } else {
        format!("{value:.3e}")
    };
    text.replace('-', "\u{2212}")
}

/// Renders the line above a table of this many columns which says that the table scrolls, as markup. The page shows the
/// line on narrow screens only. Empty for up to three columns, which fit there.
pub fn swipe(columns: usize) -> String {
    match columns {
        0..=3 => String::new(),
        _ => format!("<p class=\"swipe\">{columns} columns: scroll the table sideways \u{2192}</p>"),
    }
}

/// Markup for a number that is not defined, `n/a`, which the formatting functions use.
pub const NONE: &str = "<span class=\"none\">n/a</span>";

/// Formats a share of 1 with its 95 % interval, such as `43.2 % [40.1, 46.0]`, as markup. Without an estimate or value
/// the result is [`NONE`]; without an interval only the share is shown.
pub fn share(estimate: Option<Estimate>) -> String {
    with_interval(estimate, percent, |bound| number(bound * 100.0))
}

/// Formats a difference of shares with its 95 % interval in percentage points, such as `+3.1 [-0.2, +6.0]`, as markup.
/// Without an estimate or value the result is [`NONE`]; without an interval only the difference is shown.
pub fn difference(estimate: Option<Estimate>) -> String {
    with_interval(estimate, points, points)
}

/// Formats a difference of log-odds with its 95 % interval, such as `+0.31 [-0.02, +0.60]`, as markup. Without an
/// estimate or value the result is [`NONE`]; without an interval only the difference is shown.
pub fn odds(estimate: Option<Estimate>) -> String {
    let signed =
        |value: f64| if value > 0.0 && plain(value) != "0.00" { format!("+{}", plain(value)) } else { plain(value) };
    with_interval(estimate, signed, signed)
}

/// Formats an estimate of a share without markup, such as `43.2 % [40.1, 46.0] of 120`, for tooltips in a chart. A
/// value that is not defined is `n/a`.
pub fn spoken(estimate: Estimate) -> String {
    let value = estimate.value.map_or_else(|| "n/a".to_owned(), percent);
    let interval = estimate
        .ci
        .map_or_else(String::new, |[low, high]| format!(" [{}, {}]", number(low * 100.0), number(high * 100.0)));
    format!("{value}{interval} of {}", estimate.n)
}

fn with_interval(estimate: Option<Estimate>, value: impl Fn(f64) -> String, bound: impl Fn(f64) -> String) -> String {
    let Some(found) = estimate.and_then(|estimate| Some((estimate.value?, estimate.ci))) else {
        return NONE.to_owned();
    };
    let interval = found
        .1
        .map(|[low, high]| format!(" <span class=\"ci\">[{}, {}]</span>", bound(low), bound(high)))
        .unwrap_or_default();
    format!("<span class=\"num\">{}{interval}</span>", value(found.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(points(0.031), "+3.1");
        assert_eq!(points(-0.031), "\u{2212}3.1");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(percent(0.4321), "43.2\u{202f}%");
        assert_eq!((p_value(0.0001).as_str(), p_value(0.0123).as_str()), ("&lt;\u{202f}0.001", "0.012"));
        let estimate = Estimate { value: Some(0.1), ci: Some([-0.02, 0.2]), n: 3, ..Estimate::default() };
        assert!(difference(Some(estimate)).contains("+10.0 <span class=\"ci\">[\u{2212}2.0, +20.0]"));
        assert!(difference(None).contains("n/a"));
    }

    proptest! {
        #[test]
        fn no_text_escapes(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let rest = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().fold(escaped, |text, entity| text.replace(entity, ""));
            prop_assert!(!rest.contains('&'));
        }
    }
}
